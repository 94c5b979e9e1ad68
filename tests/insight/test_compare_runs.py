"""Run against run on simulated arms: it must find what is there and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart.core.files import write_json
from headstart.core.predictions import Dense
from headstart.errors import BadOption, RunError
from headstart.insight.alignment import matched
from headstart.insight.compare_runs import versus
from headstart.measure.paired import paired_gain
from headstart.run.state import items
from headstart.tasks.classification import Classification


def shuffled(seed: int) -> Any:
    """The same items in other rows, with folds of their own."""

    def change(dataset: Any, split: Any) -> tuple[Any, Any]:
        from headstart.testing.fakes import folds

        other = dataset.subset(np.random.default_rng(seed).permutation(len(dataset)))
        return other, folds(other, parts=4, repeats=2, seed=seed)

    return change


def test_a_better_run_is_told_from_a_worse_one(make_run: Any) -> None:
    weak, strong = (
        make_run("weak", noise=1.0, per_class=50),
        make_run("strong", noise=0.2, per_class=50, seed=1),
    )
    found = versus([weak.folder, strong.folder])
    pair = found.pairs[0]
    assert (pair.outcome, pair.run, pair.against) == ("better", "strong", "weak")
    assert pair.gain == pytest.approx(pair.score - pair.score_against)
    assert 0 < pair.low <= pair.gain <= pair.high
    assert pair.p_value < 0.001
    assert pair.sentence.startswith("strong (tiny: finetune) is better than weak (tiny: finetune): ")
    assert str(found) == pair.sentence
    assert versus([strong.folder, weak.folder]).pairs[0].outcome == "worse"
    json.dumps(found.to_json(), allow_nan=False)


def test_equal_runs_are_not_told_apart(make_run: Any) -> None:
    one, two = make_run("one", per_class=50), make_run("two", per_class=50)
    pair = versus([one.folder, two.folder]).pairs[0]
    assert (pair.outcome, pair.gain, pair.p_value) == ("not told apart", 0, 1)
    assert -pair.low == pair.high < 0.03
    assert "cannot be told from" in pair.sentence
    other = versus([one.folder, make_run("three", per_class=50, seed=1).folder]).pairs[0]
    assert other.outcome == "not told apart"


def test_the_gain_is_that_of_two_arms_of_one_run(make_run: Any) -> None:
    weak, strong = (
        make_run("weak", noise=1.0, per_class=40),
        make_run("strong", noise=0.6, per_class=40, seed=1),
    )
    pair = versus([weak.folder, strong.folder]).pairs[0]
    bench = weak.context
    arms = [made.trials["tiny: finetune"].predictions.array for made in (strong, weak)]
    found = paired_gain(
        bench.dataset.y,
        *arms,
        scoring=Classification().scores["accuracy"],
        folds=bench.split.folds,
        groups=bench.split.groups,
    )
    assert pair.same_folds
    assert (pair.gain, pair.low, pair.high, pair.p_value, pair.items) == pytest.approx(
        (found.gain, found.low, found.high, found.p_value, found.items)
    )


def test_other_rows_other_folds_and_other_numbers_of_labels(make_run: Any) -> None:
    def turned(dataset: Any, split: Any) -> tuple[Any, Any]:
        dataset, split = shuffled(5)(dataset, split)
        task = replace(dataset.task, labels=dataset.task.labels[::-1])
        return replace(dataset, task=task, targets=len(task.labels) - 1 - dataset.y), split

    weak = make_run("weak", noise=1.0, per_class=50)
    strong = make_run("strong", noise=0.2, per_class=50, seed=1, change=turned)
    found = versus([weak.folder, strong.folder])
    pair = found.pairs[0]
    assert pair.outcome == "better"
    assert not pair.same_folds
    assert pair.method == "paired percentile bootstrap over items, widened for the training parts"
    assert "Other folds than weak: strong." in found.notes[0]
    assert pair.score > 0.95
    assert pair.items == len(weak.context.split.development)  # the other run has no test part


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
@pytest.mark.parametrize("change", [None, shuffled(3)])
def test_other_kinds_of_task(make_run: Any, kind: str, change: Any) -> None:
    more = {} if change is None else {"change": change}
    weak = make_run("weak", kind, noise=0.8, per_class=50)
    strong = make_run("strong", kind, noise=0.05, per_class=50, seed=1, **more)
    found = versus([weak.folder, strong.folder])
    pair = found.pairs[0]
    assert pair.outcome == "better"
    assert pair.p_value is None
    assert pair.gain > 0
    assert ("smaller error" in pair.sentence) == (kind == "regression")
    assert found.metric == {"multilabel": "mAP", "regression": "MAE"}[kind]


def test_several_runs_pay_for_being_several(make_run: Any) -> None:
    made = [make_run(f"run{i}", noise=0.9 - 0.2 * i, seed=i, per_class=40) for i in range(4)]
    alone = versus([made[0].folder, made[1].folder]).pairs[0]
    found = versus([one.folder for one in made])
    assert [pair.run for pair in found.pairs] == ["run1", "run2", "run3"]
    assert found.pairs[0].gain == alone.gain
    assert found.pairs[0].high - found.pairs[0].low > alone.high - alone.low
    assert found.pairs[0].p_value >= alone.p_value
    assert found.pairs[0].level == pytest.approx(1 - 0.05 / 3)
    assert "hold together at 95 %" in " ".join(found.notes)


def test_items_with_another_label_do_not_count(make_run: Any) -> None:
    def relabelled(dataset: Any, split: Any) -> tuple[Any, Any]:
        y = dataset.y.copy()
        y[split.development[:5]] = (y[split.development[:5]] + 1) % 3
        return replace(dataset, targets=y), split

    one, two = make_run("one", per_class=40), make_run("two", per_class=40, change=relabelled)
    found = versus([one.folder, two.folder])
    assert found.pairs[0].items == len(one.context.split.development) - 5
    assert found.pairs[0].other_labels == 5
    assert any("5 items with another label" in note for note in found.notes)


def test_the_python_face(make_run: Any) -> None:
    one, two = make_run("one"), make_run("two", seed=1)
    found = hs.compare([hs.open_run(one.folder), str(two.folder)])
    assert found.to_json() == versus([one.folder, two.folder]).to_json()
    assert hs.open_run(one.folder).insight == {}


# mistakes


def damaged(folder: Path, how: str) -> Path:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if how == "unfinished":
        write_json(folder / "run.json", {**record, "complete": False})
    elif how == "older":
        (folder / "items.parquet").unlink()
    elif how == "trial gone":
        (folder / "trials" / "tiny-finetune" / "predictions.npz").unlink()
    elif how == "not together":
        path = folder / "trials" / "tiny-finetune" / "predictions.npz"
        np.savez_compressed(path, predictions=np.zeros((1, 2, 3), np.float32))
    return folder


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("unfinished", "has not finished"),
        ("older", "older Headstart"),
        ("trial gone", "predictions.npz cannot be read"),
        ("not together", "do not belong together"),
    ],
)
def test_runs_that_cannot_be_compared(make_run: Any, how: str, message: str) -> None:
    good, bad = make_run("good"), make_run("bad")
    with pytest.raises(RunError, match=message):
        versus([good.folder, damaged(bad.folder, how)])


def test_other_questions_are_refused(make_run: Any, tmp_path: Path) -> None:
    first = make_run("first")

    def named(dataset: Any, split: Any) -> tuple[Any, Any]:
        return replace(dataset, task=replace(dataset.task, labels=("disc", "ring", "star"))), split

    def elsewhere(dataset: Any, split: Any) -> tuple[Any, Any]:
        dataset.remember(tuple(f"other {i}" for i in range(len(dataset))))
        return dataset, split

    def opposite(dataset: Any, split: Any) -> tuple[Any, Any]:
        return replace(dataset, targets=(dataset.y + 1) % 3), split

    for change, message in (
        (named, r"its labels are not those of .*only here: .*star.*only there"),
        (elsewhere, "no item was held out in both"),
        (opposite, "no item has the same label"),
    ):
        other = make_run(change.__name__, change=change)
        with pytest.raises(RunError, match=message):
            versus([first.folder, other.folder])
    with pytest.raises(RunError, match="its task is regression, that of"):
        versus([first.folder, make_run("numbers", "regression").folder])
    write_json(first.folder / "run.json", {**first.record, "complete": True, "version": 1,
        "task": {**first.record["task"], "metric": "F1"}})  # fmt: skip
    with pytest.raises(RunError, match=r"it is judged by accuracy, .* by F1"):
        versus([first.folder, make_run("same").folder])
    with pytest.raises(RunError, match="no run here"):
        versus([first.folder, tmp_path])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_different_folders_are_needed(make_run: Any, count: int) -> None:
    with pytest.raises(BadOption, match="two or more different run folders"):
        versus([make_run("one").folder] * count)


# matching


def listed(ids: str, digests: str) -> items.Items:
    n = len(ids)
    nothing = np.zeros(n, np.int64)
    return items.Items(
        tuple(ids), tuple(digests), np.full(n, "development"), nothing, nothing, nothing[:, None]
    )


@pytest.mark.parametrize(
    ("first", "other", "pairs"),
    [
        (("ab", "12"), ("ba", "21"), [(0, 1), (1, 0)]),
        (("ab", "12"), ("xy", "21"), [(0, 1), (1, 0)]),  # a renamed folder
        (("ab", "11"), ("ab", "11"), [(0, 0), (1, 1)]),  # exact duplicates keep their names
        (("ab", "11"), ("xb", "11"), [(0, 0), (1, 1)]),  # what is left is matched by content
        (("ab", "11"), ("xy", "11"), []),  # which is which is not known
        (("ab", "12"), ("ab", "34"), []),  # other content under the same name
        (("", ""), ("ab", "12"), []),
    ],
)
def test_matching(first: tuple[str, str], other: tuple[str, str], pairs: list[tuple[int, int]]) -> None:
    found = matched(listed(*first), listed(*other))
    assert list(zip(*map(np.ndarray.tolist, found), strict=True)) == pairs


def test_packing_keeps_every_prediction() -> None:
    rng = np.random.default_rng(0)
    predictions = rng.normal(size=(4, 9, 2))
    predictions[rng.random((4, 9)) < 0.5] = np.nan
    found = Dense(predictions).aligned(np.arange(9), None, packed=True).array
    known = ~np.isnan(found).any(axis=2)
    assert (np.diff(known.astype(int), axis=0) <= 0).all()
    np.testing.assert_allclose(np.nansum(found, axis=0), np.nansum(predictions, axis=0))
