"""From labels as written to tasks and targets: what is decided, and that it is said."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.dataset import Dataset, TextItem
from headstart.data.labels import encode
from headstart.errors import DataError, UnknownName


def kind_of(values, **options) -> str:
    task, _, _ = encode(values, where="t.csv", **options)
    assert task is not None
    return task.kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["cat", "dog"], "classification"),
        ([0, 1, 2] * 5, "classification"),
        (["0", "1", "9"] * 5, "classification"),
        ([1.0, 2.0, math.nan] * 5, "classification"),
        ([True, False], "classification"),
        (["007", "008"], "classification"),
        ([0.5, 1.25], "regression"),
        (["12.5", "13"], "regression"),
        (["1e-3", "2e-3"], "regression"),
        (list(range(1000)), "regression"),
        (list(range(2000)) * 4, "classification"),
        (["a;b", "c"], "multilabel"),
        ([["a"], ["b", "c"]], "multilabel"),
        (["inf", "nan", "x"], "classification"),
        ([Decimal("0.50"), Decimal("1.50")], "regression"),
        ([Decimal("1.00"), Decimal("NaN"), Decimal("0.00")], "classification"),
        ([["a", "b"], "a"], "multilabel"),
    ],
)
def test_what_labels_are_taken_for(values, kind: str) -> None:
    assert kind_of(values) == kind


def test_decisions_on_numbers_are_said() -> None:
    for values, word in (([0, 1], "classes"), ([0.5, 1.5], "regression"), (["a;b"], "several labels")):
        _, _, notes = encode(values, where="t.csv", name="y")
        assert [note.code for note in notes] == ["HS310"]
        assert word in notes[0].message
    assert encode(["a", "b"], where="t.csv")[2] == ()
    assert encode([0, 1], where="t.csv", kind="classification")[2] == ()


def test_numbers_as_classes_are_in_natural_order() -> None:
    task, y, _ = encode(["10", "9", "9", "2"], where="t.csv")
    assert task.labels == ("2", "9", "10")
    assert y.tolist() == [2, 1, 1, 0]
    assert encode([3.0, math.nan, 1.0], where="t.csv")[0].labels == ("1", "3")
    assert encode(["007", "7"], where="t.csv")[0].labels == ("007", "7")


def test_missing_labels() -> None:
    _, y, _ = encode(["a", "", None, "NaN", " n/a ", "none", math.nan], where="t.csv")
    assert y.tolist() == [0, -1, -1, -1, -1, 1, -1]
    assert encode([None, "", "nan"], where="t.csv")[:2] == (None, None)


def test_kinds_can_be_asked_for() -> None:
    assert kind_of([0, 1, 2], kind="regression") == "regression"
    assert kind_of([0.5, 1.5], kind="classification") == "classification"
    assert kind_of(["a", "b"], kind="multilabel") == "multilabel"
    assert kind_of([[1], [2]], kind="classification") == "classification"
    with pytest.raises(DataError, match="1 of 3 values of 'age' are numbers; not row 2: 'old', row 3"):
        encode(["1", "old", "young"], where="t.csv", name="age", kind="regression")
    with pytest.raises(DataError, match="is a list"):
        encode([["a", "b"]], where="t.csv", kind="classification")


def test_the_label_space_can_be_fixed() -> None:
    task, y, _ = encode(["b", "a"], where="t.csv", classes=["c", "b", "a"])
    assert task.labels == ("c", "b", "a")
    assert y.tolist() == [1, 2]
    with pytest.raises(UnknownName, match="did you mean 'poodle'"):
        encode(["poodel"], where="t.csv", classes=["poodle", "pug"])


def test_decimals_are_numbers() -> None:
    values = [Decimal("0.50"), None, Decimal("1.50")]
    _, y, _ = encode(values, where="t.parquet", kind="regression")
    np.testing.assert_array_equal(y, [0.5, math.nan, 1.5])
    assert encode([Decimal("1.00"), Decimal("0.00")], where="t.parquet")[0].labels == ("0", "1")
    assert encode([[Decimal("1.0")], [Decimal("2.5")]], where="t.parquet")[0].labels == ("1", "2.5")


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (b"a", "bytes"),
        (np.bytes_(b"a"), "bytes"),
        ({"x": 1}, "a record"),
        (["a", {"x": 1}], "a list with a record"),
        ([b"a"], "a list with bytes"),
        ([["a"]], "a list with a list"),
    ],
)
def test_what_is_no_label(value, held: str) -> None:
    message = f"the label 'tags' of row 3 is {held}; write labels as texts, numbers or lists of them"
    with pytest.raises(DataError, match=message):
        encode([None, ["a"], value], where="t.parquet", name="tags")


def test_blanks_around_the_names_of_classes_do_not_count() -> None:
    task, y, _ = encode(["World ", "Sports"], where="hub", classes=["World ", " Sports"])
    assert (task.labels, y.tolist()) == (("World", "Sports"), [0, 1])
    assert encode([["World "]], where="hub", kind="multilabel", classes=["World "])[1].tolist() == [[1]]
    with pytest.raises(DataError, match="two classes are called 'World'"):
        encode(["World"], where="hub", classes=["World ", "World"])


@given(
    st.lists(
        st.one_of(st.none(), st.text(alphabet="abcXYZ0129. -", max_size=4), st.integers(-3, 3)), min_size=1
    )
)
def test_every_row_keeps_its_label(values) -> None:
    task, y, _ = encode(values, where="t", kind="classification")
    if task is None:
        return
    assert len(y) == len(values)
    assert sorted(set(y[y >= 0])) == list(range(task.outputs))
    for value, number in zip(values, y, strict=True):
        if number >= 0:
            assert task.labels[number] == str(value).strip()


@given(st.lists(st.one_of(st.none(), st.lists(st.sampled_from("abcd"))), min_size=1))
def test_sets_of_labels_round_trip(values) -> None:
    task, y, _ = encode(values, where="t", kind="multilabel")
    if task is None or not task.outputs:
        return
    for value, row in zip(values, y, strict=True):
        if value is None:
            assert np.isnan(row).all()
        else:
            assert {task.labels[i] for i in np.flatnonzero(row)} == set(value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 1, None], (0, 1)), ([np.int64(3), np.int64(5)], (3, 5)), ([True, False], (False, True)),
        (["0", "1"], ("0", "1")), ([1.0, 0.0, float("nan")], (0.0, 1.0)), ([1, "1", "b"], ("1", "b")),
        ([[1, 2], [2]], (1, 2)), ([["a"], ["b"]], ("a", "b")), (np.array([2, 1]), (1, 2)),
    ],
)  # fmt: skip
def test_the_type_of_the_labels_is_kept(values, expected) -> None:
    task, _, _ = encode(values, where="t")
    assert task.values == expected
    assert [type(value) for value in task.values] == [type(value) for value in expected]


def test_the_type_of_the_labels_is_no_other_data() -> None:
    names, numbers = (encode(values, where="t") for values in (["0", "1"], [0, 1]))
    items = (TextItem("a", "a"), TextItem("b", "b"))
    assert len({Dataset("x", "text", items, task, y).fingerprint for task, y, _ in (names, numbers)}) == 1
