"""Rows of tables: what columns are read as, and the numbers that a model reads."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import TableError
from headstart.modalities import table
from headstart.modalities.table import TablePreprocessing, cells

ROWS = [
    {"age": "30", "town": "Rome", "born": "2020-01-01", "same": 1, "said": "a b c d 1"},
    {"age": 50, "town": "Oslo", "born": "2020-01-03", "same": 1, "said": "a b c d 2"},
    {"age": None, "town": "?", "born": "2020-01-02", "same": 1, "said": "a b c d 3"},
]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "NA"], "number"), ([1, None], "number"), (["2026-01-31", "2026-02-28 10:00"], "date"),
        (["a", "b", "a"], "category"), ([True, False], "category"), (["1", "x", "2"], "category"),
        (["one two three four", "five six seven eight"], "text"), (["", "?", None], ""),
        (["1e999", "nan"], "category"),
    ],
)  # fmt: skip
def test_kinds_of_columns(values: list[cells.Cell], kind: str) -> None:
    assert cells.kind_of(values) == kind


def test_rows_become_numbers_as_those_learnt_from_tell() -> None:
    reads = TablePreprocessing.of(ROWS)
    assert [column.name for column in reads.columns] == ["age", "town", "born"]
    assert [part for column in reads.columns for part in column.parts] == [
        "age", "age is missing", "town = Oslo", "town = Rome", "town is missing", "born",
    ]  # fmt: skip
    day = 1 / np.sqrt(2 / 3)
    np.testing.assert_allclose(
        reads.matrix(ROWS), [[-1, 0, 0, 1, 0, -day], [1, 0, 1, 0, 0, day], [0, 1, 0, 0, 1, 0]], atol=1e-6
    )
    new = table.prepare(table.as_bytes({"age": 1e9, "town": "Cairo", "born": "soon"}), reads)
    np.testing.assert_array_equal(new, [10, 0, 0, 0, 0, 0])
    assert "town Cairo" in table.unread({"town": "Cairo"}, new, reads)


def test_a_row_without_a_column_that_is_read_says_so() -> None:
    with pytest.raises(TableError, match="lacks 2 columns that the model reads: 'town', 'born'"):
        table.prepare({"age": 3}, TablePreprocessing.of(ROWS))
    with pytest.raises(TableError, match="no row"):
        table.open_item(b"[1]")
    assert table.examine(table.as_bytes({"a": None, "b": float("nan")})).problem == "HS102"


@pytest.mark.parametrize(
    "change", [{"sd": 0.0}, {"kind": "text"}, {"values": [1]}, {"missing": 1}, {"mean": "x"}]
)
def test_columns_that_no_table_has_are_refused(change: dict[str, object]) -> None:
    said = TablePreprocessing.of(ROWS).to_json()
    said["columns"][0] |= change
    with pytest.raises((ValueError, TypeError, KeyError)):
        TablePreprocessing.audit(said)
