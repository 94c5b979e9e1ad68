"""The verdict on simulated arms: it must find what is there and nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from headstart import tasks
from headstart.core.dataset import Dataset
from headstart.core.experiment import Experiment
from headstart.core.split import Fold
from headstart.core.strategy import Trial, common
from headstart.core.task import Task
from headstart.evidence import leaderboard, selection
from headstart.evidence.verdict import hangs_on, verdict_of
from headstart.run.conclude import in_order
from made.simulated import arm, experiment, trials


def test_a_clear_gain_helps() -> None:
    setting = experiment()
    verdict = verdict_of(trials(setting, probe=0.95, scratch=0.6), setting)
    assert verdict.outcome == "helps"
    assert verdict.sentence.startswith("Transfer helps: ")
    assert "n = 200" in verdict.sentence
    assert {c.against for c in verdict.comparisons} == {"majority", "pixels", "net: scratch"}
    assert all(c.gain.low > 0 for c in verdict.comparisons)


def test_a_clear_loss_hurts_and_scratch_is_shipped() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.6, scratch=0.95)
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == "hurts"
    assert verdict.sentence.startswith("Transfer hurts: ")
    assert "from scratch" in verdict.sentence
    assert selection.winner(arms, setting) == "net: scratch"


def test_no_difference_is_no_evidence_and_says_what_could_have_been_seen() -> None:
    setting = experiment()
    verdict = verdict_of(trials(setting, probe=0.8, scratch=0.8), setting)
    assert verdict.outcome == "no evidence"
    assert verdict.sentence.startswith("No evidence that transfer helps: ")
    assert any("smallest gain" in note for note in verdict.notes)


def test_what_keeps_a_verdict_open_is_known() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.95, scratch=0.6)
    assert hangs_on(arms, setting) == [], "it helps"
    assert hangs_on(trials(setting, probe=0.6, scratch=0.95), setting) == [], "it hurts"
    assert hangs_on(trials(setting, probe=0.8, scratch=0.8), setting) == ["net: scratch"]
    scratch = arms["net: scratch"]
    hidden = np.ones_like(scratch.covered)
    hidden[0, setting.split.folds[0].test[:6]] = False
    arms["net: scratch"] = replace(scratch, predictions=scratch.predictions.hide(hidden))
    assert hangs_on(arms, setting) == ["net: scratch"], "six items show nothing"
    del arms["net: scratch"]
    assert hangs_on(arms, setting) == []


def test_what_the_clock_cut_is_said_in_a_sentence() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.95, scratch=0.6)
    assert not any("budget" in note for note in verdict_of(arms, setting).notes)
    scratch = arms["net: scratch"]
    arms["net: scratch"] = replace(scratch, choices={**scratch.choices, "epochs": 12, "aimed": 30})
    notes = verdict_of(arms, setting).notes
    assert notes[-1].startswith("The budget cut training short: net: scratch at 12 of 30 epochs. ")


def test_what_is_trained_is_compared_with_the_untouched_source() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.7, scratch=0.5)
    arms["net: untouched"] = replace(arm(setting, "net: untouched", "untouched", 0.8, seed=5), source="net")
    arms["net: finetune"] = replace(arm(setting, "net: finetune", "finetune", 0.95, seed=6), source="net")
    verdict = verdict_of(arms, setting)
    assert verdict.arm == "net: finetune"
    assert "net: untouched" in {c.against for c in verdict.comparisons}
    arms["net: finetune"] = replace(arm(setting, "net: finetune", "finetune", 0.6, seed=6), source="net")
    verdict = verdict_of(arms, setting)
    assert verdict.arm == "net: untouched"
    assert "net: untouched" not in {c.against for c in verdict.comparisons}


def test_without_scratch_nothing_is_claimed() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.95, scratch=0.6)
    del arms["net: scratch"]
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == "not compared"
    assert verdict.sentence.startswith("Not compared with the same architecture from scratch: ")
    assert any("from scratch" in text for text in verdict.missing)
    assert not any("from scratch" in note for note in verdict.notes)  # the sentence has said it


def test_what_only_a_one_sided_test_shows_is_claimed_and_the_interval_says_it() -> None:
    """Of 200 items 20 tell for the probe and 10 for scratch: 1.7 standard errors."""
    setting = experiment(n=200, repeats=1)
    places = np.random.default_rng(7).permutation(200)

    def right(count: int, first: int = 0) -> np.ndarray:
        hit = np.zeros(200, bool)
        hit[places[first : first + count]] = True
        return hit

    def said(name: str, strategy: str, hit: np.ndarray) -> Trial:
        label = np.where(hit, setting.dataset.y, 1 - setting.dataset.y)
        return Trial(name, strategy, "net", (np.eye(2)[label] * 0.8 + 0.1)[None].astype(np.float32))

    arms = [
        said("net: probe", "probe", right(170)),
        said("net: scratch", "scratch", right(150) | right(10, 170)),
        said("pixels", "pixels", right(100)),
        said("majority", "majority", right(90)),
    ]
    verdict = verdict_of({one.arm: one for one in arms}, setting)
    against = next(c for c in verdict.comparisons if c.against == "net: scratch")
    assert verdict.outcome == "helps"
    assert against.gain.value == pytest.approx(0.05)
    assert 0 < against.gain.low < 0.01
    assert against.gain.value - 1.96 / 1.645 * (against.gain.value - against.gain.low) < 0  # two-sided
    assert f"+5.0 points [{100 * against.gain.low:.1f}, {100 * against.gain.high:.1f}]" in verdict.sentence
    assert against.gain.level == pytest.approx(0.9375)


def test_few_items_need_an_obvious_gain() -> None:
    setting = experiment(n=60, repeats=1)
    small = {t.arm: t for t in (
        arm(setting, "majority", "majority", 0.85, seed=5),
        arm(setting, "pixels", "pixels", 0.85, seed=6),
        arm(setting, "net: probe", "probe", 0.93, seed=7),
        arm(setting, "net: scratch", "scratch", 0.85, seed=8),
    )}  # fmt: skip
    verdict = verdict_of(small, setting)
    assert verdict.outcome == "no evidence"


def test_one_common_item_compares_no_numbers() -> None:
    setting = experiment()
    numbers = Task(kind="regression", labels=("y",), metric="MAE", higher_is_better=False)
    y = np.arange(200, dtype=float)
    setting = replace(setting, task=numbers)
    setting = replace(setting, dataset=replace(setting.dataset, task=numbers, targets=y), gains={})
    answers = np.repeat((y + 1.0)[None, :, None], 2, axis=0)
    ours = Trial("net: probe", "probe", "net", answers)
    others = np.full_like(answers, np.nan)
    others[0, 7] = 0.0
    arms = {"net: probe": ours, "majority": Trial("majority", "majority", None, others, reason="the median")}
    assert leaderboard.gain(ours, arms["majority"], setting) is None
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == "not compared"
    assert "Not compared with the median: too few items were held out from both." in verdict.missing
    others[0, 8] = 0.0
    assert leaderboard.gain(ours, replace(arms["majority"], predictions=others), setting) is not None


def test_identical_arms_never_differ() -> None:
    setting = experiment()
    one = arm(setting, "net: probe", "probe", 0.8, seed=3)
    arms = {
        "net: probe": one,
        **{
            name: Trial(name, strategy, None, one.predictions.array)
            for name, strategy in (
                ("majority", "majority"),
                ("pixels", "pixels"),
                ("net: scratch", "scratch"),
            )
        },
    }
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == "no evidence"
    assert all(
        (c.gain.value, c.p_value) == (0, 1) and c.gain.low < 0 < c.gain.high for c in verdict.comparisons
    )


def test_a_dear_arm_is_compared_on_the_folds_it_ran() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.95, scratch=0.6)
    arms["net: scratch"] = arm(setting, "net: scratch", "scratch", 0.6, seed=4, folds=3)
    verdict = verdict_of(arms, setting)
    scratch = next(c for c in verdict.comparisons if c.against == "net: scratch")
    assert scratch.gain.n == 120


def test_training_must_beat_the_probe_by_more_than_its_error() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.80, scratch=0.5)
    probe = arms["net: probe"].predictions.array.copy()
    same_but_one = probe.copy()
    wrong = np.flatnonzero(probe[0].argmax(axis=1) != setting.dataset.y)[:1]
    same_but_one[0, wrong] = same_but_one[0, wrong][:, ::-1]
    arms["net: finetune"] = Trial("net: finetune", "finetune", "net", same_but_one)
    assert selection.winner(arms, setting) == "net: probe"
    arms["net: finetune"] = arm(setting, "net: finetune", "finetune", 0.95, seed=9)
    assert selection.winner(arms, setting) == "net: finetune"


@pytest.mark.parametrize(
    ("twin", "outcome", "shipped"),
    [
        (0.6, "helps", "net: probe"),
        (0.81, "no evidence", "net: probe"),
        (0.97, "hurts", "net: random-frozen"),
    ],
)
def test_the_random_twin_tells_the_weights_from_the_architecture(
    twin: float, outcome: str, shipped: str
) -> None:
    setting = experiment()
    arms = trials(setting, probe=0.8, scratch=0.5, pixels=0.5)
    arms["net: random-frozen"] = arm(setting, "net: random-frozen", "random-frozen", twin, seed=10)
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == outcome, verdict.sentence
    assert selection.winner(arms, setting) == shipped
    told = " ".join(verdict.notes)
    assert ("random weights cannot be told from it" in told) == (outcome == "no evidence")
    assert ("random weights does better" in told) == (outcome == "hurts")


def test_controls_of_another_architecture_are_no_controls() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.7, scratch=0.5)
    arms["other: direct"] = replace(arm(setting, "other: direct", "direct", 0.95, seed=11), source="other")
    verdict = verdict_of(arms, setting)
    assert verdict.arm == "other: direct"
    assert verdict.outcome == "not compared"
    assert {c.against for c in verdict.comparisons} == {"majority", "pixels"}


def test_the_sentence_compares_scores_on_the_same_items() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.9, scratch=0.6, pixels=0.5)
    arms["net: scratch"] = arm(setting, "net: scratch", "scratch", 0.85, seed=4, folds=2)
    verdict = verdict_of(arms, setting)
    scratch = next(c for c in verdict.comparisons if c.against == "net: scratch")
    ours, theirs = (leaderboard.score(t, setting) for t in common(arms["net: probe"], arms["net: scratch"]))
    assert ours - theirs == pytest.approx(scratch.gain.value)
    assert f"{100 * ours:.1f} %" in verdict.sentence
    assert f"{100 * theirs:.1f} %" in verdict.sentence


def test_equal_arms_are_chosen_by_the_order_of_the_plan() -> None:
    setting = experiment()
    same = arm(setting, "net: full", "full", 0.95, seed=9).predictions.array
    names = ("finetune", "full", "scratch")
    arms = {f"net: {name}": Trial(f"net: {name}", name, "net", same) for name in names}
    assert selection.winner(arms, setting) == "net: finetune"
    arms["net: probe"] = arm(setting, "net: probe", "probe", 0.5, seed=3)
    assert selection.winner(arms, setting) == "net: finetune"
    shuffled = {name: arms[name] for name in ("net: scratch", "net: probe", "net: full", "net: finetune")}
    again = SimpleNamespace(sources={"net": None})
    assert list(in_order(shuffled, again)) == ["net: probe", "net: scratch", "net: finetune", "net: full"]


def test_p_values_are_adjusted_for_their_number() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.7, scratch=0.62)
    plain = leaderboard.gain(arms["net: probe"], arms["net: scratch"], setting)
    found = {c.against: c.p_value for c in verdict_of(arms, setting).comparisons}
    assert plain is not None
    assert plain.p_value is not None
    assert found["net: scratch"] > plain.p_value


def test_permuted_labels_give_no_evidence() -> None:
    setting = experiment(n=150, repeats=1)
    outcomes = []
    for seed in range(40):
        arms = {
            t.arm: t
            for t in (
                arm(setting, "majority", "majority", 0.5, seed=seed),
                arm(setting, "pixels", "pixels", 0.5, seed=1000 + seed),
                arm(setting, "net: probe", "probe", 0.5, seed=2000 + seed),
                arm(setting, "net: scratch", "scratch", 0.5, seed=3000 + seed),
            )
        }
        outcomes.append(verdict_of(arms, setting).outcome)
    assert outcomes.count("no evidence") >= 0.9 * len(outcomes)


def test_the_leaderboard_is_ranked_with_gains_against_scratch() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.95, scratch=0.7)
    arms["net: full"] = Trial(
        "net: full", "full", "net", np.full((2, 200, 2), np.nan, np.float32), status="cut off"
    )
    rows = selection.rows(arms, setting, "net: probe")
    assert rows[0].arm == "net: probe"
    assert rows[-1].arm == "net: full"
    assert [r.place for r in rows] == [1, 2, 3, 4, None]
    assert next(r for r in rows if r.strategy == "scratch").gain is None
    assert rows[0].gain == pytest.approx(
        rows[0].score - next(r.score for r in rows if r.strategy == "scratch")
    )  # type: ignore[operator]
    assert rows[0].low <= rows[0].score <= rows[0].high  # type: ignore[operator]
    assert leaderboard.reference_name(rows) == "scratch"


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_other_kinds_of_task(kind: str) -> None:
    setting = experiment(n=120)
    rng = np.random.default_rng(3)
    if kind == "multilabel":
        task, y = Task(kind, ("a", "b"), "mAP"), (rng.random((120, 2)) < 0.4).astype(np.float32)
    else:
        task, y = Task(kind, ("size",), "MAE", higher_is_better=False), rng.normal(size=120)
    setting = replace(setting, task=task, gains={})
    setting = replace(setting, dataset=Dataset("sim", "image", setting.dataset.items, task, y), gains={})

    def noisy(name: str, strategy: str, noise: float, seed: int) -> Trial:
        noises = np.random.default_rng(seed).normal(size=(2, 120, task.outputs)) * noise
        predictions = y.reshape(1, 120, -1) + noises
        if kind == "multilabel":
            predictions = 1 / (1 + np.exp(-4 * (predictions - 0.5)))
        return Trial(name, strategy, None, predictions.astype(np.float32))

    arms = {t.arm: t for t in (
        noisy("majority", "majority", 3.0, 1), noisy("pixels", "pixels", 3.0, 2),
        noisy("net: probe", "probe", 0.2, 3), noisy("net: scratch", "scratch", 3.0, 4),
    )}  # fmt: skip
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == "helps", verdict.sentence
    weak = leaderboard.row(arms["net: scratch"], setting)
    assert weak.low <= weak.score <= weak.high  # averaged predictions are better than any one repeat's
    row = selection.rows(arms, setting, "net: probe")[0]
    assert row.arm == "net: probe"
    assert row.low <= row.score <= row.high  # type: ignore[operator]


def test_what_a_few_groups_show_is_no_evidence() -> None:
    """Seven groups, all of them better: whole groups differ for reasons of their own."""
    setting = experiment(n=140, repeats=1, groups=np.arange(140) % 7)
    arms = trials(setting, probe=0.97, scratch=0.5, pixels=0.5)
    told = verdict_of(arms, setting)
    assert told.outcome == "no evidence"
    assert "n = 140 in 7 groups" in told.sentence
    assert told.notes[0].startswith("Its interval rests on 7 groups, and fewer than 8 prove nothing")
    many = experiment(n=140, repeats=1, groups=np.arange(140) % 35)
    assert verdict_of(trials(many, probe=0.97, scratch=0.5, pixels=0.5), many).outcome == "helps"
    pair = experiment(n=140, repeats=1, groups=np.maximum(np.arange(140), 1))
    assert "n = 140." in verdict_of(trials(pair, probe=0.97, scratch=0.5, pixels=0.5), pair).sentence


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_the_verdict_does_not_hang_on_the_unit_of_a_target(unit: float) -> None:
    setting = experiment(n=60, repeats=1)
    y = np.random.default_rng(0).normal(size=60)
    setting = replace(setting, task=Task("regression", ("size",), "MAE", higher_is_better=False), gains={})
    setting = replace(
        setting, dataset=Dataset("sim", "image", setting.dataset.items, setting.task, y * unit), gains={}
    )

    def off(name: str, by: float, seed: int) -> Trial:
        noise = np.random.default_rng(seed).normal(size=60) * by
        said = ((y + noise) * unit)[None, :, None].astype(np.float32)
        return Trial(name, name.rsplit(": ", maxsplit=1)[-1], "net" if ":" in name else None, said)

    slight = {t.arm: t for t in (off("majority", 0.2, 1), off("pixels", 0.2, 2), off("net: scratch", 0.2, 1))}
    near, far = off("net: probe", 0.17, 1), off("net: probe", 0.05, 3)
    assert verdict_of({**slight, "net: probe": near}, setting).outcome == "no evidence"
    verdict = verdict_of({**slight, "net: probe": far}, setting)
    assert verdict.outcome == "helps"
    assert "smaller error" in verdict.sentence


def test_a_gain_cannot_exceed_what_there_is_to_gain() -> None:
    setting = experiment(n=20, repeats=1)
    verdict = verdict_of(trials(setting, probe=1.0, scratch=0.05, pixels=0.05), setting)
    assert all(-1 <= c.gain.low <= c.gain.high <= 1 for c in verdict.comparisons)


def one_class_held_out(n: int = 60) -> Experiment:
    """A bench whose class "b" is in every training part."""
    setting = experiment(n=n, repeats=1)
    y = np.arange(n) % 3 // 2
    rows = np.flatnonzero(y == 0)
    folds = tuple(Fold(0, np.setdiff1d(np.arange(n), part), part) for part in np.array_split(rows, 5))
    groups = np.where(y == 1, n, np.arange(n))
    setting = replace(setting, split=replace(setting.split, folds=folds, groups=groups), gains={})
    return replace(setting, dataset=replace(setting.dataset, targets=y), gains={})


def test_one_class_alone_proves_nothing() -> None:
    setting = one_class_held_out()
    arms = {
        t.arm: t
        for t in (
            arm(setting, "majority", "majority", 1.0, seed=1, folds=5),
            arm(setting, "pixels", "pixels", 0.1, seed=2, folds=5),
            arm(setting, "net: probe", "probe", 0.9, seed=3, folds=5),
            arm(setting, "net: scratch", "scratch", 0.1, seed=4, folds=5),
        )
    }
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == "not compared"
    assert verdict.sentence == (
        "Not compared: only 'a' can be held out (40 of 60 items), and 'b' never: no score says how well these are "
        "told apart."
    )
    assert not verdict.comparisons
    assert selection.winner(arms, setting) == "net: probe"  # not the one that always says the same
    rows = selection.rows(arms, setting, "net: probe")
    assert all((r.n, r.covers, r.gain) == (40, "1 of 2 classes", None) for r in rows)
    assert leaderboard.gain(arms["net: probe"], arms["net: scratch"], setting) is None


def test_a_class_that_is_never_held_out_is_told_with_the_verdict() -> None:
    setting = experiment(n=200)
    arms = trials(setting, probe=0.95, scratch=0.6)
    labels = Task("classification", ("a", "b", "c"), "accuracy")
    y = setting.dataset.y.copy()
    out = np.unique(np.concatenate([f.test for f in setting.split.folds]))[:10]
    y[out] = 2
    folds = tuple(replace(f, test=np.setdiff1d(f.test, out)) for f in setting.split.folds)
    groups = np.where(y == 2, 999, np.arange(200))
    setting = replace(setting, split=replace(setting.split, folds=folds, groups=groups), gains={})
    setting = replace(
        setting, dataset=replace(setting.dataset, targets=y, task=labels), task=labels, gains={}
    )
    hidden = np.isin(np.arange(200), out)[None].repeat(2, axis=0)
    arms = {n: replace(t, predictions=t.predictions.hide(hidden)) for n, t in arms.items()}
    verdict = verdict_of(arms, setting)
    assert verdict.outcome == "helps"
    assert verdict.notes[0].startswith("'c' is never held out, because it consists of copies or near-copies")
    assert verdict.notes[0].endswith("the scores are over the others, 190 of 200 items.")


def test_two_numbers_for_one_arm_are_explained() -> None:
    setting = experiment()
    arms = trials(setting, probe=0.9, scratch=0.6, pixels=0.5)
    arms["net: scratch"] = arm(setting, "net: scratch", "scratch", 0.85, seed=4, folds=2)
    verdict = verdict_of(arms, setting)
    whole = leaderboard.score(arms["net: probe"], setting)
    told = f"held out from both ({100 * whole:.1f} % on all that net: probe was held out from)"
    assert told in verdict.sentence
    whole_run = trials(setting, probe=0.95, scratch=0.6)
    assert "held out from both" not in verdict_of(whole_run, setting).sentence


def test_the_metric_that_was_chosen_decides_what_ships() -> None:
    """Of 3 rare items among 200, always saying the other class is 98.5 % right, and tells nothing apart."""
    setting = experiment(n=200, repeats=1)
    y = np.zeros(200, np.int64)
    y[[5, 60, 120]] = 1
    alike = np.tile(np.array([0.9, 0.1]), (1, 200, 1)).astype(np.float32)
    telling = alike.copy()
    telling[0, [5, 60, 120]] = [0.1, 0.9]
    telling[0, np.arange(130, 140)] = [0.2, 0.8]
    arms = {
        "majority": Trial("majority", "majority", None, alike),
        "net: probe": Trial("net: probe", "probe", "net", telling),
    }
    shipped = {}
    for metric in ("accuracy", "balanced-accuracy", "f1"):
        task = tasks.judged_by(setting.task, metric)
        judged = replace(setting, task=task, dataset=replace(setting.dataset, targets=y), gains={})
        shipped[metric] = selection.winner(arms, judged)
        rows = {row.arm: row for row in selection.rows(arms, judged, "net: probe")}
        assert rows["net: probe"].low <= rows["net: probe"].score <= rows["net: probe"].high  # type: ignore[operator]
    assert shipped == {"accuracy": "majority", "balanced-accuracy": "net: probe", "f1": "net: probe"}
