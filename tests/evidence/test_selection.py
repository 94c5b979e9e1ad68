"""Which arm is shipped, and what the choice is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from headstart import strategies
from headstart.core.strategy import Trial
from headstart.evidence import leaderboard, selection
from headstart.evidence.leaderboard import gain
from headstart.evidence.unlabelled import brought, panel
from headstart.evidence.verdict import verdict_of
from made.simulated import arm, experiment, ridge, trials


def test_the_best_of_equal_arms_is_no_better_than_one() -> None:
    """Winner's curse: twelve probes of the same true accuracy, and one baseline just as good."""
    plain, nested, runs = [], [], 30
    for seed in range(runs):
        setting = experiment(n=120, repeats=1)
        arms = {
            f"{i}: probe": replace(
                arm(setting, f"{i}: probe", "probe", 0.7, seed=100 * seed + i), source=str(i)
            )
            for i in range(12)
        }
        chosen = selection.best(arms, arms, setting)
        again = selection.nested(arms, arms, setting)
        assert again is not None
        assert again.arm == chosen
        plain.append(leaderboard.score(arms[chosen], setting))
        nested.append(leaderboard.score(again, setting))
    assert np.mean(plain) > 0.75  # what the luckiest of twelve says of itself
    assert abs(np.mean(nested) - 0.7) < 3 * 0.042 / np.sqrt(runs)


def test_a_single_arm_is_its_own_choice() -> None:
    setting = experiment()
    one = arm(setting, "net: probe", "probe", 0.8, seed=3)
    assert selection.nested(["net: probe"], {"net: probe": one}, setting) is one
    assert selection.nested([], {}, setting) is None


def test_the_choice_covers_what_its_arm_covers() -> None:
    setting = experiment()
    arms = {
        "net: probe": arm(setting, "net: probe", "probe", 0.6, seed=3),
        "net: finetune": arm(setting, "net: finetune", "finetune", 0.97, seed=4, folds=3),
    }
    found = selection.nested(arms, arms, setting)
    assert found is not None
    assert found.arm == "net: finetune"
    assert (found.covered == arms["net: finetune"].covered).all()


def test_the_rows_of_a_fold_have_no_part_in_its_choice() -> None:
    """An arm that is right only where nobody may look is not chosen for it."""
    setting = experiment(n=100, repeats=1)
    fold = setting.split.folds[0]
    weak = arm(setting, "a: probe", "probe", 0.5, seed=1)
    strong = arm(setting, "b: probe", "probe", 0.8, seed=2)
    sly = weak.predictions.array.copy()
    sly[0, fold.test] = np.eye(2)[setting.dataset.y[fold.test]]
    arms = {"a: probe": replace(weak, predictions=sly), "b: probe": strong}
    found = selection.nested(arms, arms, setting)
    assert found is not None
    assert np.array_equal(found.predictions.array[0, fold.test], strong.predictions.array[0, fold.test])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.4, 0.98), min_size=5, max_size=5),
    st.integers(0, 10_000),
    st.sampled_from([40, 90]),
    st.sampled_from([1, 3, 5]),
)
def test_what_is_shipped_is_never_shown_to_be_worse_than_a_baseline(
    accuracies: list[float], seed: int, n: int, folds: int
) -> None:
    setting = experiment(n=n, repeats=1)
    names = ("majority", "pixels", "net: probe", "net: scratch", "net: finetune")
    arms = {
        name: arm(
            setting, name, name.split(": ")[-1], accuracy, seed=seed + i, folds=folds if i > 2 else None
        )
        for i, (name, accuracy) in enumerate(zip(names, accuracies, strict=True))
    }
    shipped = selection.winner(arms, setting)
    assert shipped is not None
    for name, trial in arms.items():
        if selection.role(trial) in selection.COMPARED and name != shipped:
            found = gain(arms[shipped], trial, setting)
            assert found is None or found.high >= 0


@pytest.mark.parametrize("strategy", ["majority", "pixels"])
@pytest.mark.parametrize(("ahead", "ships"), [(1, "net: probe"), (12, "baseline")])
def test_a_baseline_ships_by_the_interval_and_not_by_place(strategy: str, ahead: int, ships: str) -> None:
    setting = experiment(n=40, repeats=1)

    def said(name: str, strategy: str, count: int) -> Trial:
        label = np.where(np.arange(40) < count, setting.dataset.y, 1 - setting.dataset.y)
        return Trial(name, strategy, None, (np.eye(2)[label] * 0.8 + 0.1)[None].astype(np.float32))

    arms = {
        "net: probe": said("net: probe", "probe", 20),
        "baseline": said("baseline", strategy, 20 + ahead),
    }
    assert selection.ranked(arms, arms, setting)[0] == "baseline"
    assert selection.best(arms, arms, setting) == selection.winner(arms, setting) == ships
    assert selection.best(["baseline"], arms, setting) == "baseline"


def test_training_must_beat_the_arm_that_is_best_on_its_items() -> None:
    setting = experiment(n=200, repeats=1)
    right = np.zeros(200, bool)
    right[:160] = True

    def said(name: str, strategy: str, correct: np.ndarray) -> Trial:
        label = np.where(correct, setting.dataset.y, 1 - setting.dataset.y)
        return Trial(name, strategy, "net", (np.eye(2)[label] * 0.8 + 0.1)[None].astype(np.float32))

    seen = np.zeros(200, bool)
    for fold in setting.split.folds[:2]:
        seen[fold.test] = True
    elsewhere, here = ~seen, seen
    better_overall = said("a: probe", "probe", np.where(here, np.arange(200) % 5 > 0, elsewhere))
    better_here = said("b: probe", "probe", np.where(here, np.arange(200) % 20 > 0, np.arange(200) % 3 > 0))
    scratch = said("net: scratch", "scratch", np.arange(200) % 20 > 0)
    scratch = replace(scratch, predictions=scratch.predictions.hide(elsewhere[None]))
    arms = {t.arm: t for t in (better_overall, better_here, scratch)}
    assert selection.best(arms, arms, setting) == "a: probe"  # scratch ties with the other probe where it ran
    del arms["b: probe"]
    assert selection.best(arms, arms, setting) == "net: scratch"


@pytest.mark.slow
def test_permuted_labels_give_no_evidence_with_real_learners() -> None:
    """Random labels on handwriting, learners refitted: "no evidence" in at least 90 % of runs."""
    from sklearn.datasets import load_digits

    x, _ = load_digits(return_X_y=True)
    readers = {
        "majority": lambda z: np.zeros((len(z), 1)),
        "pixels": lambda z: z,
        "net: probe": lambda z: z[:, ::2],
        "other: probe": lambda z: z**2,
        "net: scratch": lambda z: np.sign(z - 8),
        "other: scratch": lambda z: np.sign(z - 4),
    }
    outcomes = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        setting = experiment(n=120, repeats=2)
        y = rng.permutation(np.arange(120) % 2)
        setting = replace(setting, dataset=replace(setting.dataset, targets=y))
        items = x[rng.permutation(len(x))[:120]]
        arms = {}
        for name, read in readers.items():
            p = np.full((2, 120, 2), np.nan, np.float32)
            z = read(items)
            for fold in setting.split.folds:
                scores = ridge(z[fold.train] / 16, y[fold.train], 2)(z[fold.test] / 16)
                p[fold.repeat, fold.test] = np.clip(scores, 0, 1)
            source, _, strategy = name.rpartition(": ")
            arms[name] = Trial(name, strategy, source or None, p)
        outcomes.append(verdict_of(arms, setting).outcome)
    assert outcomes.count("no evidence") >= 0.9 * len(outcomes), outcomes


def test_the_luck_of_being_best_is_told() -> None:
    setting = experiment(n=120, repeats=1)
    arms = trials(setting, probe=0.7, scratch=0.6)
    assert not any("luck" in note for note in verdict_of(arms, setting).notes)
    for number in range(12):
        arms[f"{number}: probe"] = replace(
            arm(setting, f"{number}: probe", "probe", 0.7, seed=150 + number), source="net"
        )
    (note,) = [note for note in verdict_of(arms, setting).notes if "luck" in note]
    assert " By itself it has " in note


def test_an_arm_of_a_single_fold_keeps_its_own_predictions() -> None:
    setting = experiment(n=250, repeats=1)
    arms = {
        "net: probe": arm(setting, "net: probe", "probe", 0.6, seed=3),
        "net: finetune": arm(setting, "net: finetune", "finetune", 0.98, seed=4, folds=1),
    }
    found = selection.nested(arms, arms, setting)
    assert found is not None
    assert found.arm == "net: finetune"
    assert np.array_equal(found.predictions.array, arms["net: finetune"].predictions.array, equal_nan=True)


def test_a_single_hold_out_has_no_winner_s_curse_either() -> None:
    nested = []
    for seed in range(30):
        setting = experiment(n=400, repeats=1)
        setting = replace(setting, split=replace(setting.split, folds=setting.split.folds[:1]), gains={})
        arms = {
            f"{i}: probe": replace(
                arm(setting, f"{i}: probe", "probe", 0.7, seed=40 * seed + i, folds=1), source=str(i)
            )
            for i in range(12)
        }
        again = selection.nested(arms, arms, setting)
        assert again is not None
        nested.append(leaderboard.score(again, setting))
    assert abs(np.mean(nested) - 0.7) < 3 * 0.05 / np.sqrt(30)


@pytest.mark.parametrize(("accuracy", "chosen"), [(0.72, "contrastive"), (0.1, "probe")])
def test_what_is_expected_to_be_better_need_not_prove_it_on_few_items(accuracy: float, chosen: str) -> None:
    """16 items cannot show a gain of some points; they can show that an arm does not work."""
    setting = experiment(n=16, repeats=1)
    wins = []
    for seed in range(20):
        arms = {
            "net: probe": arm(setting, "net: probe", "probe", 0.7, seed=2 * seed),
            "net: contrastive": arm(setting, "net: contrastive", "contrastive", accuracy, seed=2 * seed + 1),
        }
        wins.append(selection.best(arms, arms, setting) == f"net: {chosen}")
    assert np.mean(wins) > 0.6


def test_with_many_labels_nothing_is_expected() -> None:
    setting = experiment(n=400, repeats=1)
    arms = {
        "net: probe": arm(setting, "net: probe", "probe", 0.8, seed=1),
        "net: contrastive": arm(setting, "net: contrastive", "contrastive", 0.79, seed=2),
    }
    assert selection.best(arms, arms, setting) == "net: probe"


def test_a_choice_by_what_is_known_beforehand_says_so() -> None:
    setting = experiment(n=16, repeats=1)
    arms = {
        "net: probe": arm(setting, "net: probe", "probe", 0.7, seed=1),
        "majority": arm(setting, "majority", "majority", 0.4, seed=3),
    }
    for seed in range(200):
        arms["net: contrastive"] = arm(setting, "net: contrastive", "contrastive", 0.68, seed=seed)
        lower = leaderboard.score(arms["net: contrastive"], setting) < leaderboard.score(
            arms["net: probe"], setting
        )
        if lower and selection.best(arms, arms, setting) == "net: contrastive":
            break
    else:
        pytest.fail("no such draw")
    assert any("not because these items show it" in note for note in verdict_of(arms, setting).notes)
    arms["net: contrastive"] = arm(setting, "net: contrastive", "contrastive", 0.99, seed=1)
    assert not any("not because these" in note for note in verdict_of(arms, setting).notes)


def test_an_arm_that_was_cut_off_does_not_stand_before_one_that_beats_it_on_its_items() -> None:
    """Seven of eight easy items are more than 60 % of all forty; the probe has all eight."""
    setting = experiment(n=40, repeats=2)
    probe = arm(setting, "net: probe", "probe", 0.6, seed=3)
    words_ = arm(setting, "tfidf", "pixels", 1.0, seed=4, folds=1)
    first = setting.split.folds[0]
    truth = np.eye(2)[setting.dataset.y[first.test]].astype(np.float32)
    better = probe.predictions.array.copy()
    better[0, first.test] = truth
    probe = replace(probe, predictions=better)
    wrong = words_.predictions.array.copy()
    wrong[0, first.test[:1]] = 1 - truth[:1]  # 87.5 % of eight items against 60 % of forty
    arms = {"tfidf": replace(words_, predictions=wrong), "net: probe": probe}
    own = {name: leaderboard.score(trial, setting) for name, trial in arms.items()}
    assert own["tfidf"] > own["net: probe"]  # type: ignore[operator]
    assert selection.ranked(arms, arms, setting) == ["net: probe", "tfidf"]
    assert selection.winner(arms, setting) == "net: probe"
    assert [row.arm for row in selection.rows(arms, setting, "net: probe")] == ["net: probe", "tfidf"]


def test_fewer_repeats_are_not_fewer_items() -> None:
    """A probe that was cut off in its second repeat is known on every item: it ships over the majority."""
    setting = experiment(n=48, repeats=4, groups=np.arange(48) % 2)
    arms = {
        "majority": arm(setting, "majority", "majority", 0.5, seed=1),
        "tfidf": arm(setting, "tfidf", "pixels", 0.6, seed=2, folds=15),
        "net: probe": arm(setting, "net: probe", "probe", 0.9, seed=3, folds=7),
    }
    assert selection.ranked(arms, arms, setting) == ["net: probe", "tfidf", "majority"]
    assert selection.winner(arms, setting) == "net: probe"


@pytest.mark.parametrize(
    ("scratch", "mean", "ships"),
    [(0.72, 0.75, "stack"), (0.72, 0.60, "net: probe"), (0.30, 0.75, "net: probe"), (0.95, 0.75, "net: scratch")],
    ids=["not told apart", "the average is worse", "shown to be better", "scratch is better"],
)  # fmt: skip
def test_where_two_cannot_be_told_apart_their_average_ships(scratch: float, mean: float, ships: str) -> None:
    setting = experiment(n=100, repeats=1)

    def said(name: str, accuracy: float, **choices: object) -> Trial:
        order = np.arange(100)[::-1] if "scratch" in name else np.arange(100)  # each errs on its own
        wrong = order >= round(100 * accuracy)
        label = np.where(wrong, 1 - setting.dataset.y, setting.dataset.y)
        predictions = (np.eye(2)[label] * 0.8 + 0.1)[None].astype(np.float32)
        return Trial(name, name.rpartition(": ")[2], None, predictions, choices=choices)

    arms = {
        trial.arm: trial
        for trial in (
            said("net: probe", 0.75),
            said("net: scratch", scratch),
            said("stack", mean, members=["net: probe", "net: scratch"]),
        )
    }
    if ships == "stack":
        assert gain(arms["net: probe"], arms["net: scratch"], setting).low <= 0
    assert selection.winner(arms, setting) == ships
    alone = {name: arms[name] for name in ("net: probe", "net: scratch")}
    assert selection.winner(alone, setting) == ("net: scratch" if scratch > 0.9 else "net: probe")


@pytest.mark.parametrize("seed", range(3))
def test_what_ships_on_few_labels_is_less_often_far_behind_the_best_baseline(seed: int) -> None:
    """Draws of 40 items on which two arms differ by less than they can show, each right on its own items."""
    rng = np.random.default_rng(seed)
    behind = {"now": 0, "before": 0}
    for _ in range(12):
        setting = experiment(n=40, repeats=1)
        y = setting.dataset.y
        truth = rng.permutation([0.62, 0.78])
        score = [rng.normal(0.0, 1.0, 40) + stats.norm.ppf(p) for p in truth]  # of the right class
        both = [*score, (score[0] + score[1]) / np.sqrt(2)]
        truth = [*truth, float(stats.norm.cdf(sum(stats.norm.ppf(truth)) / np.sqrt(2)))]
        names = ("net: probe", "net: scratch", "stack")
        arms = {}
        for name, right in zip(names, both, strict=True):
            p = 1 / (1 + np.exp(-right))
            predictions = np.where(y[:, None] == np.arange(2), p[:, None], 1 - p[:, None])
            choices = {"members": list(names[:2])} if name == "stack" else {}
            arms[name] = Trial(
                name, name.rpartition(": ")[2], None, predictions[None].astype(np.float32), choices=choices
            )
        alone = {name: arms[name] for name in names[:2]}
        for rule, some in (("now", arms), ("before", alone)):
            ships = selection.winner(some, setting)
            behind[rule] += truth[names.index(ships)] < truth[1] - 0.05
    assert behind["now"] <= behind["before"]
    assert behind["now"] <= 1


def test_what_was_held_out_from_other_items_has_no_place() -> None:
    setting = experiment(n=100, repeats=1)
    first = arm(setting, "net: probe", "probe", 0.7, seed=1, folds=2)
    whole = arm(setting, "pixels", "pixels", 0.6, seed=2)
    other = arm(setting, "net: finetune", "finetune", 1.0, seed=3)
    apart = replace(other, predictions=other.predictions.hide(first.covered))
    arms = {trial.arm: trial for trial in (first, apart)}
    rows = selection.rows(arms, setting, "net: probe")
    assert [(row.arm, row.place) for row in rows] == [("net: finetune", 1), ("net: probe", None)]
    arms["pixels"] = whole
    assert {row.arm: row.place is not None for row in selection.rows(arms, setting, "pixels")}["pixels"]


@pytest.mark.parametrize(("accuracy", "ships"), [(0.75, True), (0.2, False)])
def test_what_learns_from_items_without_a_label_ships_unless_held_out_labels_say_no(
    accuracy: float, ships: bool
) -> None:
    setting = experiment(n=24, repeats=1)
    wins = []
    for seed in range(20):
        arms = {
            "net: probe": arm(setting, "net: probe", "probe", 0.7, seed=2 * seed),
            "net: voted": arm(setting, "net: voted", "voted", accuracy, seed=2 * seed + 1),
        }
        wins.append(selection.best(arms, arms, setting) == "net: voted")
    assert (np.mean(wins) > 0.6) == ships


def test_of_those_the_one_that_most_is_hoped_of_is_asked() -> None:
    """A wide prior makes a lucky score weigh more; of equal scores the better prior counts."""
    setting = experiment(n=24, repeats=1)
    one = arm(setting, "net: voted", "voted", 0.7, seed=1)
    arms = {
        "net: probe": arm(setting, "net: probe", "probe", 0.7, seed=2),
        "net: match": replace(one, arm="net: match", strategy="match"),
        "net: voted": one,
    }
    found = gain(one, arms["net: probe"], setting)
    assert found is not None
    prior = {f"net: {name}": strategies.facts(name).prior or (0.0, 1.0) for name in ("voted", "match")}
    hopes = {name: selection.posterior(found, arms[name]) for name in prior}
    for name, (mean, spread) in prior.items():
        weight = 1 / spread**2, 1 / found.error**2
        assert hopes[name] == pytest.approx((weight[0] * mean + weight[1] * found.gain) / sum(weight))
    best = max(hopes, key=lambda name: hopes[name])
    assert selection.best(arms, arms, setting) in (best, "net: probe")


def test_what_is_hoped_of_them_shrinks_with_errors_and_labels() -> None:
    few, many = experiment(n=12, repeats=1), experiment(n=60, repeats=1)
    voted = arm(few, "net: voted", "voted", 0.9, seed=1)
    wrong, right = (arm(few, "net: probe", "probe", share, seed=2) for share in (0.0, 1.0))
    known = strategies.facts("voted").prior
    assert known is not None
    mean, spread = selection.hoped(voted, wrong, few)
    assert mean == pytest.approx(known[0] * min(1, selection.FEW / selection.per_class(few)))
    assert spread == known[1]
    assert selection.hoped(voted, right, few) == (0.0, known[1])
    more = selection.hoped(voted, arm(many, "net: probe", "probe", 0.0, seed=2), many)[0]
    assert 0 < more < mean
    trained = arm(few, "net: contrastive", "contrastive", 0.9, seed=1)
    assert selection.hoped(trained, right, few) == (0.06, 0.07), (
        "what trains is not what this was measured of"
    )


def test_what_they_brought_is_one_sentence() -> None:
    setting = experiment(n=24, repeats=1)
    arms = {
        "net: probe": arm(setting, "net: probe", "probe", 0.6, seed=1),
        "net: finetune": arm(setting, "net: finetune", "finetune", 0.6, seed=2),
        "net: voted": arm(setting, "net: voted", "voted", 0.8, seed=3),
        "net: match": arm(setting, "net: match", "match", 0.7, seed=4),
    }
    rows = panel(arms, setting)
    assert [(row["what"], row["arm"]) for row in rows[:2]] == [
        ("labels alone, frozen", "net: probe"), ("labels alone, fine-tuned", "net: finetune"),
    ]  # fmt: skip
    assert rows[2]["arm"] in ("net: voted", "net: match")
    assert all(row["low"] <= row["score"] <= row["high"] for row in rows)
    told = brought(arms, setting)
    assert told.startswith("With the items without a label, net: ")
    assert "with the labels alone (net: probe)" in told
    assert "with the labels alone (net: finetune)" in told
    assert "[" in told
    refused = replace(
        arms["net: voted"].__class__("net: voted", "voted", "net"), status="not applicable", reason="too few"
    )
    alone = {"net: probe": arms["net: probe"], "net: voted": refused}
    assert brought(alone, setting) == "Items without a label were not used: too few."
    rows = panel(alone, setting)
    assert [row["reason"] for row in rows] == ["", "it was not run", "too few"]
    assert panel({"net: probe": arms["net: probe"]}, setting) == []
    assert brought({"net: probe": arms["net: probe"]}, setting) == ""
