"""Labels from every form of table: which columns hold them, and which cells are none."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headstart.core.dataset import Dataset
from headstart.data import load
from headstart.data.checks import doctor
from headstart.errors import BadOption, DataError, UnknownName

from .files import Write

N = 24
TEXTS = [f"the {i} small boats came back with fish {chr(97 + i)}" for i in range(N)]
NAMES = ("good", "bad", "late")
FLAGS = [[i % 2, 1 - i % 2, int(i % 3 == 0)] for i in range(N - 1)] + [[0, 0, 0]]


def written(frame: pl.DataFrame, folder: Path, form: str) -> object:
    """The frame in one of the forms that are read."""
    if form == "dict":
        return frame.to_dict(as_series=False)
    if form == "frame":
        return frame
    path = folder / f"t.{form}"
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[form](path)
    return path


FORMS = ("csv", "parquet", "jsonl", "frame", "dict")


def codes(dataset: Dataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in doctor.check(dataset).findings:
        found.setdefault(one.code, []).append(one.message)
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["NA", "null", "nan", "N/A"])
def test_a_class_may_be_called_as_nothing_is(form: str, name: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": TEXTS, "label": [*["EU", name] * 11, None, ""]})
    data = written(frame, tmp_path, form)
    named = load(data, labels=[name, "EU"])
    assert (named.task.labels, named.labelled.sum()) == ((name, "EU"), 22)
    dataset = load(data)
    assert dataset.labelled.sum() == (11 if form == "csv" else 22)
    found = codes(dataset)
    assert len(found["HS302"]) == 2
    if form == "csv":
        assert f"11 cells are {name!r}: read as no label" in found["HS315"][0]
        assert "--missing" in found["HS303"][0]
        assert load(data, missing="").labelled.sum() == 22
        assert len(codes(dataset.subset(range(20)))["HS315"]) == 1
        assert "HS302" not in codes(dataset.subset(range(20)))


def test_texts_for_missing_labels_are_named(tmp_path: Path) -> None:
    path = written(pl.DataFrame({"text": TEXTS, "label": ["EU", "US", "tbd"] * 8}), tmp_path, "parquet")
    assert load(path, missing=["TBD", "-"]).labelled.sum() == 16
    assert load(path).labelled.sum() == N


@pytest.mark.parametrize("form", FORMS)
def test_one_column_for_each_label(form: str, tmp_path: Path) -> None:
    columns = {name: [row[i] for row in FLAGS] for i, name in enumerate(NAMES)}
    data = written(pl.DataFrame({"text": TEXTS, **columns}), tmp_path, form)
    offer = "these hold only 0 and 1: for one label each say --label-column good --label-column bad"
    with pytest.raises(DataError, match=offer):
        load(data)
    dataset = load(data, label_column=NAMES)
    assert (dataset.task.kind, dataset.task.labels) == ("multilabel", NAMES)
    assert dataset.y.tolist() == FLAGS
    assert dataset.labelled.all()  # a row of 0 has no label that applies
    again = load(data, known=("bad", "good", "late"))  # as `evaluate` reads it
    assert (again.task.labels, again.y[:, 1].tolist()) == (("bad", "good", "late"), [row[0] for row in FLAGS])
    with pytest.raises(UnknownName, match="bat"):
        load(data, label_column=["good", "bat"])
    with pytest.raises(DataError, match="several labels an item, but the task is regression"):
        load(data, label_column=NAMES, task="regression")


@pytest.mark.parametrize(
    ("yes", "no", "gap"),
    [("yes", "no", ""), ("True", "False", ""), ("1.0", "0.0", ""), ("1", "-1", ""), ("x", "", None)],
)
def test_what_else_stands_for_yes_and_no(yes: str, no: str, gap: str | None, write: Write) -> None:
    rows = "".join(
        f"{text},{yes if i % 2 else no},{no if i % 2 else yes}\n" for i, text in enumerate(TEXTS[:-1])
    )
    last = "" if gap is None else f"{TEXTS[-1]},{gap},{yes}\n"
    path = write({"t.csv": f"text,a,b\n{rows}{last}"}) / "t.csv"
    dataset = load(path, label_column=["a", "b"])
    assert dataset.y[:2].tolist() == [[0, 1], [1, 0]]
    assert dataset.labelled.sum() == N - 1


def test_three_values_are_not_yes_and_no(write: Write) -> None:
    path = (
        write({"t.csv": "text,a,b\n" + "".join(f"{t},{i % 3 - 1},1\n" for i, t in enumerate(TEXTS))})
        / "t.csv"
    )
    with pytest.raises(DataError, match=r"the column 'a' of a label holds '-1' \(row 1\)"):
        load(path, label_column=["a", "b"])


@pytest.mark.parametrize("form", FORMS)
def test_prices_with_blemishes_from_every_reader(form: str, tmp_path: Path) -> None:
    prices = ["-" if i == 7 else f"{i}.5" for i in range(N)]
    dataset = load(written(pl.DataFrame({"text": TEXTS, "price": prices}), tmp_path, form))
    assert (dataset.task.kind, np.flatnonzero(~dataset.labelled).tolist()) == ("regression", [7])
    found = codes(dataset)
    assert "23 of 24 values of 'price' are numbers; not row 8: '-'" in found["HS316"][0]
    assert "HS302" not in found


@pytest.mark.parametrize("form", FORMS)
def test_names_in_two_unicode_forms_from_every_reader(form: str, tmp_path: Path) -> None:
    labels = ["\u00c4rger", "A\u0308rger", "bad", "\u200bbad"] * 6
    dataset = load(written(pl.DataFrame({"text": TEXTS, "label": labels}), tmp_path, form))
    assert sorted(dataset.task.labels) == ["bad", "\u00c4rger", "\u200bbad"]
    assert "U+200B (zero width space) at its beginning" in codes(dataset)["HS319"][0]


def test_folders_in_two_unicode_forms_are_one_class(write: Write) -> None:
    folder = write(
        {
            f"{name}/{i}.png": i + 10 * k
            for k, name in enumerate(("K\u00e4se", "Ka\u0308se", "Brot"))
            for i in range(3)
        }
    )
    dataset = load(folder)
    assert dataset.task.labels == ("Brot", "K\u00e4se")
    assert len({item.id for item in dataset.items}) == 9
    assert {item.id.split("/")[0] for item in dataset.items} == {"K\u00e4se", "Ka\u0308se", "Brot"}


def test_prices(write: Write) -> None:
    def found(values: np.ndarray) -> dict[str, list[str]]:
        rows = "".join(f"the boat {i} came back,{value:.12g}\n" for i, value in enumerate(values))
        dataset = load(write({"t.csv": f"text,price\n{rows}"}) / "t.csv")
        return {code: text for code, text in codes(dataset).items() if code in ("HS320", "HS321")}

    rng = np.random.default_rng(0)
    rooms = rng.integers(1, 50, 60) * 1.5
    assert found(rooms) == {}
    odd = np.where(np.arange(60) == 3, 9_999_999, rooms)
    (text,) = found(odd)["HS320"]
    assert text.startswith("1 of 60 values (row 4: 9,999,999) lies")
    for mark, shown in ((-999, "-999"), (-1, "-1"), (99999, "99,999")):
        recurring = np.where(np.isin(np.arange(60), [3, 14, 15, 40, 52]), mark, rooms)
        assert found(recurring)["HS321"] == [f"5 of 60 values are {shown}: a mark for missing?"]
    for spread in (0.5, 1.0, 2.0):
        assert found(np.round(np.exp(rng.normal(10, spread, 500)))) == {}


def test_ids_of_many_digits_take_no_time() -> None:
    digits = "9" * 100_000
    frame = {"text": TEXTS[:20] * 2, "label": ["a", "b"] * 20, "id": [f"{digits}{i}a1b1" for i in range(40)]}
    start = time.perf_counter()
    doctor.check(load(frame, text_column="text"))
    assert time.perf_counter() - start < 5


def test_a_label_of_many_digits(write: Write) -> None:
    long = "1" * 5000
    path = write({"t.csv": f"text,label\n{TEXTS[0]},{long}\n{TEXTS[1]},2\n{TEXTS[2]},x\n"}) / "t.csv"
    assert load(path).task.labels == ("2", long, "x")


def test_columns_have_no_meaning_in_memory() -> None:
    with pytest.raises(BadOption, match="have no columns"):
        load(TEXTS, labels=["a", "b"] * 12, label_column=["a", "b"])
