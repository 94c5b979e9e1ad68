"""Rows of a table: open and examine one, and turn it into the numbers that a model reads.

The bytes of a row are JSON: {"row": {name of the column: text, number, true, false or null, ...}}.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.core.registry import Registry
from headstart.core.source import Levels
from headstart.core.untrusted import limits
from headstart.core.words import few, shortened
from headstart.errors import BadOption, TableError
from headstart.modalities.base import Examination, Numbers, Settled, generator
from headstart.modalities.table.cells import CATEGORY, is_missing, name, plain
from headstart.modalities.table.preprocessing import Row, TablePreprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

PREPARATION = 1
NOUN = "row"
HAS_LEVELS = False
IN_WORDS = False
IN_LINES = True
ROWS = True
PRETRAINED = False
GROUPS = ("customer", "customerid", "user", "userid", "household", "householdid", "site", "siteid")
REMEMBERED = False
STORED_ALIKE = False
VIEWS_PAY = False
COMPARED_BY = ""
COPIES_FROM = None
TUNING = Numbers(lr=1e-3, layer_decay=1.0, weight_decay=0.01, smoothing=0.0, from_scratch=(1e-3,))
PREPROCESSING = TablePreprocessing
PLAIN = TablePreprocessing()
SUFFIXES: frozenset[str] = frozenset()
NOT_READ: Mapping[str, str] = {}
DEFAULT_VIEW = "none"
VIEWS: Registry[Callable[[Row, np.random.Generator], Row]] = Registry("view recipe")
VIEWS.add("none", lambda row, _: row)
_BEGINS = b'{"row": '


def begins(start: bytes) -> bool:
    """Whether bytes begin as a row does."""
    return start.startswith(_BEGINS)


def kind_of(data: bytes) -> str:  # noqa: ARG001
    """There are no rows of a kind that is not read."""
    return ""


def holds(entry: Any) -> bool:  # noqa: ARG001
    """A thing in memory is no row for sure: a dict may be columns, or a record of a picture."""
    return False


def as_bytes(entry: Mapping[str, Any]) -> bytes:
    """A row, values by the names of their columns, as bytes."""
    cells = {str(column): plain(value) for column, value in entry.items()}
    return json.dumps({"row": cells}, ensure_ascii=False).encode("utf-8", "replace")


def open_item(data: bytes, levels: Levels | None = None) -> Row:  # noqa: ARG001
    """The cells of a row by the names of their columns. Raises `TableError`."""
    if len(data) > limits.TEXT_BYTES:
        raise TableError("HS105", f"{len(data) / 1e6:,.0f} MB: no row of a table is as long")
    try:
        row = json.loads(data)["row"]
        good = isinstance(row, dict) and all(isinstance(c, str | int | float | None) for c in row.values())
    except (ValueError, KeyError, TypeError, RecursionError):
        good = False
    if not good:
        raise TableError("HS106", "is no row of a table")
    return row  # type: ignore[no-any-return]


@contextlib.contextmanager
def held(data: bytes, levels: Levels | None = None) -> Iterator[Row]:  # noqa: ARG001
    """See `open_item`: a row needs no room to speak of."""
    yield open_item(data)


def settle(levels: Levels | None, looked: Sequence[Examination], *, find: bool = True) -> Settled:  # noqa: ARG001
    """Nothing follows from all rows together. Raises `BadOption` for levels."""
    if levels is not None:
        raise BadOption("white", levels[1], "left out: rows of a table have no white point")
    return Settled(None, tuple(looked))


def examine(data: bytes) -> Examination:
    """`width` is the number of its cells that hold something."""
    try:
        row = open_item(data)
    except TableError as error:
        return Examination(problem=error.code, detail=error.problem)
    filled = sum(not is_missing(cell) for cell in row.values())
    if not filled:
        return Examination(problem="HS102", detail="holds nothing in any column")
    return Examination(filled, 1)


def traits(data: bytes, seen: Examination) -> dict[str, float | str]:  # noqa: ARG001
    """How full it is: cells with a value."""
    return {"cells with a value": float(seen.width)}


def looks(row: Row) -> dict[str, float]:
    """Its numbers, by column."""
    return {column: float(cell) for column, cell in row.items() if isinstance(cell, int | float)}


def shown(row: Row) -> tuple[Image, str]:  # noqa: ARG001
    """Rows are shown as a line: a blank picture stands for one where only pictures are."""
    from PIL import Image

    return Image.new("RGB", (1, 1), "white"), ""


def lines(row: Row) -> tuple[str, ...]:
    """What a person reads of it: "age 39, workclass State-gov"."""
    return (", ".join(f"{column} {'?' if is_missing(cell) else name(cell)}" for column, cell in row.items()),)


def beginning(data: bytes | Row, most: int) -> str:
    """The first cells of a row. Raises `TableError`."""
    return shortened(lines(data if isinstance(data, Mapping) else open_item(data))[0], most)


def telling(opened: Iterable[Row]) -> bool:
    """Copies are told by their bytes."""
    return any(True for _ in opened)


def prepare(
    data: bytes | Row, contract: TablePreprocessing, *, view: int = 0, kind: str = "", key: str = ""
) -> np.ndarray:
    """A row -> float32 `[D]`. Raises `TableError` where it lacks a column that the model reads; `UnknownName`
    for an unknown recipe."""
    row = data if isinstance(data, Mapping) else open_item(data)
    recipe = VIEWS[kind or DEFAULT_VIEW]
    if view:
        row = recipe(row, generator(key, view, kind))
    absent = [repr(column.name) for column in contract.columns if column.name not in row]
    if absent:
        some = "a column" if len(absent) == 1 else f"{len(absent)} columns"
        raise TableError("HS106", f"lacks {some} that the model reads: {few(absent)}")
    return np.asarray(contract.matrix([row])[0])


def unread(opened: Row, prepared: np.ndarray, contract: TablePreprocessing) -> str:  # noqa: ARG001
    """Values that were not among those learnt from."""
    new = [
        f"{column.name} {name(cell)}"
        for column in contract.columns
        if column.kind == CATEGORY and not is_missing(cell := opened.get(column.name))
        if name(cell) not in column.values
    ]
    return f"it has learnt nothing of {few(new)}" if new else ""


def described(contract: TablePreprocessing) -> dict[str, Any]:
    """The columns, and what becomes of them, step by step."""
    return {
        "columns": contract.to_json()["columns"],
        "steps": [
            "take the columns in order; a cell is missing where it is empty, NA, N/A, NaN, null or ?",
            "a number, or the days of a date since 1970-01-01: minus mean, over sd, cut off at -10 and 10; 0 "
            "where it is missing",
            "a category: a number for each of its values, 1 for that of the row and 0 for all others",
            'with "missing" one more number: 1 where it is missing',
            "one after the other: float32 [N, D]",
        ],
    }


def collate(prepared: Sequence[np.ndarray]) -> np.ndarray:
    """float32 `[B, D]`"""
    return np.stack(prepared)


def dummy_batch(contract: TablePreprocessing, count: int, *, pairs: bool = False) -> np.ndarray:  # noqa: ARG001
    """float32 `[count, D]`: rows of made-up numbers and categories."""
    rng, parts = generator(NOUN, 0, "made up"), [np.zeros((count, 0), np.float32)]
    for column in contract.columns:
        block = np.zeros((count, column.width), np.float32)
        block[:, :1] = rng.standard_normal((count, 1))
        if column.kind == CATEGORY:
            block[:] = np.eye(column.width, dtype=np.float32)[rng.integers(column.width, size=count)]
        parts.append(block)
    found = np.concatenate(parts, axis=1)
    return found if found.shape[1] else np.zeros((count, 1), np.float32)


def stored(data: bytes | Row, contract: TablePreprocessing, size: int) -> np.ndarray:  # noqa: ARG001
    """A prepared row: all have one shape."""
    return prepare(data, contract)


def stored_column(size: int) -> str:
    """The store's column of rows."""
    return f"row:{size}"


def weight(data: bytes, contract: TablePreprocessing) -> int:  # noqa: ARG001
    """All are alike."""
    return 0
