"""What no fold can hold out: found before a run, whatever the reason, and judged in one place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.dataset import Dataset, TextItem
from headstart.core.events import ignore
from headstart.core.task import Task
from headstart.data import load
from headstart.data.checks import doctor
from headstart.data.checks.findings.held_out import Coverage, findings
from headstart.data.splits import make_split
from headstart.errors import DataError
from headstart.measure.paired import FEWEST_UNITS
from headstart.passes import near_duplicates
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig


def texts(y, *, groups=None, kind: str = "classification", split=None) -> Dataset:
    """Texts that are all different."""
    y = np.asarray(y)
    outputs = y.shape[1] if y.ndim == 2 else int(y.max()) + 1 if y.dtype.kind == "i" else 1
    items = tuple(TextItem(f"row {i}", f"{'abcdefghij'[i % 10] * 3} {i * i * 7919}") for i in range(len(y)))
    task = Task(kind, ("good", "bad", "odd", "new")[:outputs], "accuracy")
    column = None if groups is None else np.asarray(groups)
    given_split = None if split is None else np.array(split)
    return Dataset("toy", "text", items, task, y, column, given_split, group_names=("h0", "h1", "h2", "h3"))


def said(dataset: Dataset) -> dict[str, str]:
    """Code -> the finding in words, of those about what is held out."""
    found = doctor.check(dataset).findings
    return {f.code: f"{f.severity} {f.where}: {f.message}" for f in found if "HS406" < f.code < "HS416"}


def test_a_class_in_one_hospital() -> None:
    """24 bad in h0, which has six good as well; 18 good in three others."""
    dataset = texts([1] * 24 + [0] * 24, groups=[0] * 24 + [i % 4 for i in range(24)])
    found = said(dataset)
    assert found["HS408"] == "warning 'bad': it lies in one group ('h0'): its 24 items can never be held out"
    assert found["HS409"].endswith("30 of 48 items")
    assert found["HS410"].endswith("only 'good': arms cannot be compared")
    assert found["HS411"].endswith("3 groups can be held out, and on fewer than 8 no verdict is possible")
    seen = Coverage.of(dataset, make_split(dataset))
    assert seen.to_json() == {
        "items": 30,
        "of": 48,
        "classes": {"'bad'": 24},
        "sentence": "Only 'good' can be held out (18 of 48 items), and 'bad' never: no score says how well these "
        "are told apart.",
    }


def test_one_of_three_classes_is_never_held_out() -> None:
    dataset = texts([0] * 20 + [1] * 20 + [2] * 4, groups=[*range(3, 43), 0, 0, 0, 0])
    found = said(dataset)
    assert set(found) == {"HS408", "HS409"}
    assert Coverage.of(dataset, make_split(dataset)).sentence == (
        "'odd' is never held out, because it lies in one group ('h0'): the scores are over the others, 40 of 44 "
        "items."
    )


def test_near_copies_are_a_group(tmp_path: Path) -> None:
    """Three texts that differ by a number: found by what they say, in `check` as in `fit`."""
    words = ["rain", "wind", "salt", "moss", "reed", "gull", "dune", "tide", "kelp", "foam"]
    rows = [f"{words[i % 10]} {words[i // 10]} {words[(3 * i) % 10]} {i},good" for i in range(60)]
    rows += [f"the whole of it broke on the very first evening {i},bad" for i in range(3)]
    table = tmp_path / "copies.csv"
    table.write_text("\n".join(["text,label", *rows]))
    report = near_duplicates.check(load(table))
    (found,) = (f for f in report.findings if f.code == "HS408")
    assert str(found).startswith(
        "HS408 'bad': it consists of copies or near-copies of one another: its 3 items can never be held out"
    )
    assert not report.errors


def test_classes_in_fewer_groups_than_folds_are_held_out_once() -> None:
    dataset = texts([0] * 20 + [1] * 20, groups=[0, 1] * 10 + [2 + i for i in range(20)])
    assert not said(dataset)
    split = make_split(dataset)
    times = np.bincount(np.concatenate([f.test for f in split.folds if f.repeat == 0]), minlength=40)
    assert (times == 1).all()


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ([0] * 8, "no item can be held out: all 8 of them lie in a single group ('h0')"),
        ([0] * 4 + [1] * 4, "no item can be held out: every class lies in a single group"),
    ],
)
def test_what_fit_refuses_is_an_error_of_check_and_of_plan(
    groups: list[int], problem: str, tmp_path: Path
) -> None:
    dataset = texts([0] * 4 + [1] * 4, groups=groups)
    assert said(dataset)["HS407"] == f"error toy: {problem}"
    with pytest.raises(DataError, match="single group"):
        make_split(dataset)
    table = tmp_path / "one.csv"
    rows = [f"text number {i * 7919},{i // 4},{g}" for i, g in enumerate(groups)]
    table.write_text("\n".join(["text,label,patient", *rows]))
    with pytest.raises(DataError, match=r"HS407 .*no item can be held out"):
        resolve.read(RunConfig(str(table)), {}, ignore)  # what `fit` and `plan` begin with
    assert [f.code for f in near_duplicates.check(load(table)).errors] == ["HS407"]


@pytest.mark.parametrize(
    ("kind", "y"), [("classification", [0, 1] * 30), ("regression", np.arange(60.0) % 7)]
)
def test_fewer_groups_than_a_verdict_needs_are_a_warning(kind: str, y) -> None:
    for count in (2, 5, FEWEST_UNITS - 1):
        found = said(texts(y, kind=kind, groups=np.arange(60) // 2 % count))
        assert found["HS411"].endswith(
            f": {count} groups can be held out, and on fewer than 8 no verdict is possible"
        )
    assert not said(texts(y, kind=kind, groups=np.arange(60) // 2 % FEWEST_UNITS))
    assert not said(texts(y, kind=kind))


def test_a_label_in_one_group_is_never_learnt_where_it_is_held_out() -> None:
    y = np.zeros((40, 3), np.float32)
    y[::2, 0], y[1::2, 1], y[:4, 2] = 1, 1, 1
    found = said(texts(y, kind="multilabel", groups=np.arange(40) % 9))
    assert not found
    found = said(texts(y, kind="multilabel", groups=[0] * 4 + [1 + i % 9 for i in range(36)]))
    assert found["HS412"] == (
        "warning 'odd': it lies in one group ('h0'): when held out, none is left to learn from"
    )


def test_a_range_that_the_validation_part_lacks() -> None:
    y = np.arange(50.0)
    dataset = texts(y, kind="regression", split=["val" if i < 10 else "train" for i in range(50)])
    split = make_split(dataset, holdout="val")
    found = [str(f) for f in findings(dataset, split)]
    assert len(found) == 4
    assert found[0].startswith("HS408 values from 10 to 19: the part held out has none")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_counted_is_what_the_folds_hold_out(data: st.DataObject) -> None:
    n = data.draw(st.integers(6, 40))
    y = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    groups = np.array(data.draw(st.lists(st.integers(0, 8), min_size=n, max_size=n)))
    dataset = texts(y, groups=groups)
    try:
        split = make_split(dataset)
    except DataError:
        return
    seen = Coverage.of(dataset, split)
    held = sorted({row for fold in split.folds for row in fold.test.tolist()})
    assert (seen.items, seen.held) == (n, len(held))
    assert [s.held for s in seen.strata] == [int((y[held] == c).sum()) for c in sorted(set(y.tolist()))]
    assert seen.differ == (len(set(y[held].tolist())) > 1)
    assert bool(seen.sentence) == (len(held) < n or not seen.differ)
