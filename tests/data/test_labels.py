"""From labels as written to tasks and targets: what is decided, and that it is said."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.dataset import Dataset, TextItem
from headstart.core.task import Task
from headstart.data.labels import alike, encode
from headstart.data.reading import natural
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
            label, text = task.labels[number], str(value).strip()
            assert label == text or float(label) == float(text)  # "1." is "1" where all are numbers


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


PRICES = [n * 1.5 for n in range(1, 25)] * 4


def told(values, **options) -> tuple[Task | None, np.ndarray | None, dict[str, str]]:
    task, y, notes = encode(values, where="t.csv", name="price", **options)
    return task, y, {note.code: note.message for note in notes}


@pytest.mark.parametrize(
    ("form", "example", "first"),
    [
        (lambda n: f"{n:.2f}".replace(".", ","), "'1,50' is read as 1.5", 1.5),
        (lambda n: f"{n} kg", "'1.5 kg' is read as 1.5", 1.5),
        (lambda n: f"{n:.1f} %", "'1.5 %' is read as 1.5", 1.5),
        (lambda n: f"${n * 1000 + 0.5:,.2f}", "'$1,500.50' is read as 1500.5", 1500.5),
        (lambda n: f"{n * 1000 + 0.5:,.2f} €".translate({44: ".", 46: ","}), "'1.500,50 €' is", 1500.5),
        (lambda n: f"{n * 1000 + 0.5:,.1f}".replace(",", "\u2019"), "'1\u2019500.5' is read", 1500.5),
        (lambda n: f"\u2212{n}", "", -1.5),
    ],
)
@pytest.mark.parametrize("kind", [None, "regression"])
def test_numbers_as_people_write_them(form, example: str, first: float, kind: str | None) -> None:
    task, y, notes = told([form(n) for n in PRICES], kind=kind)
    assert task is not None
    assert (task.kind, y[0]) == ("regression", first)
    assert example in notes.get("HS310", "")


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("mark", ["-", "unknown", "?"])
def test_marks_among_numbers_are_missing(mark: str, typed: bool) -> None:
    values = [mark if i in (7, 90) else str(n) for i, n in enumerate(PRICES)]
    task, y, notes = told(values, typed=typed)
    assert task is not None
    assert (task.kind, np.flatnonzero(np.isnan(y)).tolist()) == ("regression", [7, 90])
    assert f"94 of 96 values of 'price' are numbers; not row 8: '{mark}', row 91: '{mark}'" in notes["HS316"]


@pytest.mark.parametrize("odd", [">30", "inf", "cheap", "4 lb"])
def test_words_among_numbers_are_refused_with_their_rows(odd: str) -> None:
    values = [odd if i in (7, 90) else str(n) for i, n in enumerate(PRICES)]
    with pytest.raises(
        DataError, match=f"94 of 96 .* not row 8: '{odd}', row 91: .*--missing .*classification"
    ):
        told(values)
    assert kind_of(values, kind="classification") == "classification"
    _, y, _ = told(values, missing=[odd])
    assert np.isnan(y[[7, 90]]).all()


def test_floats_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="not row 2: 'inf'"):
        told([1.5, math.inf, 2.5, 3.5])
    with pytest.raises(DataError, match="read in two ways, such as '1,234'"):
        told([f"{n},234" for n in range(1, 30)])
    with pytest.raises(DataError, match="decimal commas or several labels"):
        told(["1,2", "1", "2", "3", "2,3", "1,3"] * 4)


def test_whole_numbers_that_repeat_stay_classes() -> None:
    task, _, notes = told([*(["1", "2", "3", "4", "5"] * 9), "-"])
    assert task is not None
    assert task.labels == ("1", "2", "3", "4", "5", "-")
    assert "row 46: '-'" in notes["HS310"]
    sizes = told(["S", "M", "38", "40"] * 5)
    assert (sizes[0].kind, sizes[2]) == ("classification", {})
    for names in (["A-1", "A-2", "A-10"], ["1st", "2nd", "10th"], ["10.0.0.1", "10.0.0.2"], ["3.5.1", "3.6"]):
        assert encode(names * 4, where="t")[0].labels == tuple(names)


SETS = [["good", "shipping"], ["bad"], ["good", "battery"], ["bad", "shipping"], ["good"]] * 3
NUMBER = {"good": "0", "bad": "1", "shipping": "2", "battery": "3"}


@pytest.mark.parametrize(
    ("form", "sure"),
    [
        (";".join, True),
        (", ".join, True),
        (repr, True),
        (lambda s: str(s).replace("'", '"'), True),
        (lambda s: f"[{' '.join(map(repr, s))}]", True),
        (lambda s: f"[{', '.join(f'np.str_({x!r})' for x in s)}]", True),
        (lambda s: repr(tuple(s)), True),
        (lambda s: f"[{' '.join(NUMBER[x] for x in s)}]", True),
        (lambda s: str([int(NUMBER[x]) for x in s]), True),
        (" ".join, False),
        ("/".join, False),
        (lambda s: " ".join(NUMBER[x] for x in s), False),
    ],
)
def test_several_labels_in_a_cell(form, sure: bool) -> None:
    values = [form(row) for row in SETS]
    asked, y, _ = told(values, kind="multilabel")
    assert sorted(asked.labels) in (sorted(NUMBER), sorted(NUMBER.values()))
    place = asked.labels.index
    names = list(NUMBER) if "good" in asked.labels else list(NUMBER.values())
    for row, wanted in zip(y, SETS, strict=True):
        of = dict(zip(NUMBER, names, strict=True))
        assert {place(of[label]) for label in wanted} == set(np.flatnonzero(row))
    guessed, _, notes = told(values)
    if sure:
        assert (guessed.labels, "several labels" in notes["HS310"]) == (asked.labels, True)
    else:
        assert (guessed.kind, "taken as one class each" in notes["HS318"]) == ("classification", True)
    assert told(values, kind="classification")[2] == {}


def test_names_with_commas_and_blanks_stay_classes() -> None:
    for names in (["shoes, men", "shoes, women", "coats, men", "coats, women"], ["New York", "Los Angeles"]):
        task, _, notes = told(names * 5)
        assert (set(task.labels), notes) == (set(names), {})
    assert told(["New York;good", "good"], classes=["New York", "good"])[1].tolist() == [[1, 1], [0, 1]]
    assert told(["[POS]", "[NEG]"] * 3)[0].labels == ("[NEG]", "[POS]")
    one, _, notes = told(["New York", "Rome"], kind="multilabel")
    assert (one.labels, "one label" in notes["HS310"]) == (("New York", "Rome"), True)


def test_parts_that_never_stand_alone_are_told() -> None:
    for mark in (", ", " "):
        values = [f"l{i % 7}{mark}m{i % 5}{mark}n{i % 6}" for i in range(200)]
        task, _, notes = told(values)
        assert (task.kind, "HS318" in notes) == ("classification", True)
        assert told(values, kind="multilabel")[0].outputs == 18


def test_texts_that_only_begin_as_lists() -> None:
    with pytest.raises(DataError, match=r"5 of 6 values of 'price' are lists; not row 6: \"\['bad\""):
        told(["['good', 'bad']"] * 5 + ["['bad"])
    assert told(['["K\\u00e4se", "\\ud83d\\ude00"]', "[]"])[0].labels == ("Käse", "\U0001f600")


@pytest.mark.parametrize("yes", [1, 1.0, True, "1", "yes"])
def test_lists_of_zeros_and_ones(yes) -> None:
    no = {True: False, "yes": "no", "1": "0"}.get(yes, type(yes)(0)) if yes is not True else False
    rows = [[yes, no, yes, no], [no, no, no, no], [no, yes, no, no], None]
    for values in (rows, [None if row is None else str(row) for row in rows]):
        task, y, notes = told(values)
        assert task.labels == ("0", "1", "2", "3")
        assert y[:3].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
        assert np.isnan(y[3]).all()
        assert "zeros and ones" in notes["HS310"]
    assert told(rows, classes=list("abcd"))[0].labels == tuple("abcd")
    with pytest.raises(DataError, match="lists of 4 zeros and ones, but 3 labels"):
        told(rows, classes=list("abc"))


def test_words_for_nothing() -> None:
    values = ["NA", "EU", "null", "", None]
    _, y, notes = told(values)
    assert (y.tolist(), "1 cell is 'NA': read as no label" in notes["HS315"] or "HS315" in notes) == (
        [-1, 0, -1, -1, -1],
        True,
    )
    for options in ({"typed": True}, {"missing": [""]}, {"classes": ["EU", "NA", "null"]}):
        _, y, notes = told(values, **options)
        assert (y.tolist(), notes) == ([1, 0, 2, -1, -1], {})
    assert told([1, 2, -999.0, "-999"], missing=[-999], kind="regression")[1].tolist()[:2] == [1, 2]


def test_numbers_in_their_order_and_in_one_spelling() -> None:
    assert encode(["2", "-1", "0", "-2", "10"], where="t")[0].labels == ("-2", "-1", "0", "2", "10")
    task, y, notes = told(["1", "0.0", "1.0", "0"])
    assert (task.labels, y.tolist(), "one label" in notes["HS322"]) == (("0", "1"), [1, 0, 1, 0], True)
    assert encode([10**400, 1], where="t", kind="classification")[0].outputs == 2
    assert encode([Decimal("sNaN"), 1], where="t")[1].tolist() == [-1, 0]
    with pytest.raises(DataError, match="row 1 is a whole number of thousands of digits"):
        encode([10**5000, 1], where="t")
    long = "9" * 5000
    assert sorted([f"a{long}", "a10", "a9", f"a{long}1"], key=natural) == [
        "a9",
        "a10",
        f"a{long}",
        f"a{long}1",
    ]


def test_one_name_in_two_unicode_forms() -> None:
    task, y, notes = told(["K\u00e4se", "Ka\u0308se", "Brot"])
    assert (task.labels, y.tolist()) == (("Brot", "K\u00e4se"), [1, 1, 0])
    assert "2 Unicode forms" in notes["HS322"]
    assert told(["Ka\u0308se"], classes=["K\u00e4se"])[1].tolist() == [0]
    assert told([["Ka\u0308se"], ["K\u00e4se"]])[0].labels == ("K\u00e4se",)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("\u200bgood", "U+200B (zero width space) at its beginning"),
        ("\ufeffgood", "U+FEFF"),
        ("go\u00adod", "U+00AD (soft hyphen) at place 3"),
        ("\uff47\uff4f\uff4f\uff44", "U+FF47"),
        ("g\u043eod", "U+043E (cyrillic small letter o) instead of 'o' at place 2"),
        ("goo\u2019d", "U+2019"),
    ],
)
def test_names_that_look_alike(other: str, said: str) -> None:
    (group, where), *rest = alike([other, "good" if "\u2019" not in other else "goo'd", "bad"])
    assert (len(group), rest) == (2, [])
    assert said in where


def test_names_that_a_reader_tells_apart() -> None:
    assert list(alike(["resume", "r\u00e9sum\u00e9", "1", "-1", "0", "O", "l"])) == []
    assert list(alike(["Big cat", "big_cat"])) == [(("Big cat", "big_cat"), "")]
