"""Tables whose rows are the items: when they are, what is learnt from, what is left out and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from headstart.data import load
from headstart.data.checks import doctor
from headstart.errors import BadOption, DataError, UnknownName


def frame(rows: int = 80) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    income = np.array(["low", "high"])[rng.integers(2, size=rows)]
    return pl.DataFrame(
        {
            "number": [f"A{row:03}" for row in range(rows)],
            "age": rng.integers(20, 70, size=rows),
            "town": np.array(["Rome", "Oslo", "Bern"])[rng.integers(3, size=rows)],
            "tax": np.where(income == "high", "B", "A"),
            "nothing": ["x"] * rows,
            "income": income,
        }
    )


def learnt(data: Any) -> list[str]:
    return list(json.loads(data.items[0].read())["row"])


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_rows_are_items_where_no_column_holds_any(form: str, tmp_path: Path) -> None:
    table, given = frame(), tmp_path / f"t.{form}"
    if form != "frame":
        (table.write_csv if form == "csv" else table.write_parquet)(given)
    data = load(table if form == "frame" else given, label_column="income")
    assert data.modality == "table"
    assert data.task is not None
    assert data.task.labels == ("high", "low")
    assert learnt(data) == ["age", "town"]
    told = {f.code: f.message for f in doctor.check(data).findings}
    assert "'number': another value in every row; not learnt from" in told["HS519"]
    assert "'tax': it alone determines 'income'; not learnt from" in told["HS350"]
    assert "'nothing'" in told["HS518"]
    assert "numbers from 'age', categories from 'town'" in told["HS517"]


def test_columns_that_are_named_are_learnt_from_and_told() -> None:
    data = load(frame(), label_column="income", feature_column=["tax", "age"])
    assert learnt(data) == ["tax", "age"]
    assert any("learnt from, as it was named" in note.message for note in data.notes if note.code == "HS350")
    with pytest.raises(UnknownName, match="did you mean 'age'"):
        load(frame(), label_column="income", feature_column="agee")
    with pytest.raises(BadOption, match="feature_column"):
        load(frame(), text_column="town", feature_column="age")


def test_texts_stay_texts_unless_rows_are_asked_for() -> None:
    table = frame().with_columns(pl.Series("text", [f"this is the text number {n}" for n in range(80)]))
    assert load(table, label_column="income").modality == "text"
    rows = load(table, label_column="income", feature_column="*")
    assert rows.modality == "table"
    assert learnt(rows) == ["age", "town"]


@pytest.mark.parametrize("kind", ["threshold", "same"])
def test_numbers_that_give_the_label_away(kind: str) -> None:
    x = np.random.default_rng(1).normal(size=90)
    y: Any = np.where(x > 0.3, "a", "b") if kind == "threshold" else 3 * x + 1
    data = load({"x": x, "z": np.roll(x, 7), "y": y})
    assert learnt(data) == ["z"]


def test_a_random_split_over_time_is_warned_of() -> None:
    days = pl.Series("day", [f"2026-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(80)])
    table = frame().with_columns(days)
    assert "HS414" in {note.code for note in load(table, label_column="income").notes}
    parted = table.with_columns(pl.Series("split", ["train"] * 60 + ["test"] * 20))
    assert "HS414" not in {note.code for note in load(parted, label_column="income").notes}


def test_nothing_left_to_learn_from() -> None:
    with pytest.raises(DataError, match="none is left to learn from"):
        load(frame().select("number", "nothing", "income"), label_column="income")
