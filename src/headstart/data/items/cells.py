"""Pictures in the cells of a table: which columns hold them, and an item for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from headstart import modalities
from headstart.core.dataset import Item
from headstart.core.untrusted import Damaged, parsing, read_object
from headstart.data.items import entries
from headstart.data.items.entries import NOTHING, BadItem, RowItem
from headstart.data.items.pictures import pictures, renamed
from headstart.data.reading import suffix_of
from headstart.errors import DataError

LOOKED_AT = 8
"""Cells of a column that are opened to see whether they are pictures."""


def with_pictures(table: pl.DataFrame, usual: Callable[[str], bool]) -> dict[str, str]:
    """The columns of which most cells that are looked at hold pictures, or other items that are no words
    -> their modality.

    `usual` tells whether a column is called as columns of pictures are: then it is enough that the cells may
    be pictures, and damaged ones are told.
    """
    found = {}
    for name in table.columns:
        if may_hold(table[name].dtype) and _are_pictures(table[name], named=usual(name)):
            found[name] = entries.modality_of([entries.picture(cell, "") for cell in _some(table[name])])
    return found


def _some(column: pl.Series) -> list[Any]:
    known = column.drop_nulls()
    return known.gather_every(max(1, len(known) // LOOKED_AT)).head(LOOKED_AT).to_list()


def may_hold(kind: pl.DataType) -> bool:
    """Bytes, records with bytes, objects of Python, and lists of lists of numbers."""
    if isinstance(kind, pl.Struct):
        held = {one.name: one.dtype for one in kind.fields}
        return held.get("bytes") == pl.Binary and held.keys() <= {"bytes", "path"}
    return kind in (pl.Binary, pl.Object) or _is_array(kind)


def _is_array(kind: pl.DataType) -> bool:
    """Whether the cells are arrays of two or three dimensions."""
    depth = 0
    while isinstance(kind, pl.List | pl.Array):  # one with several dimensions holds those of one less
        depth, kind = depth + 1, kind.inner  # type: ignore[assignment]
    return depth in (2, 3) and kind.is_numeric()


def _are_pictures(column: pl.Series, *, named: bool) -> bool:
    some = _some(column)
    if _is_array(column.dtype):  # which may be anything else as well
        return named and bool(some)
    found = [cell for cell in some if entries.is_picture(cell)]
    if column.dtype == pl.Object and not found:
        return False
    return bool(some) and (named or 2 * sum(map(_opens, found)) >= len(some))


def _opens(cell: Any) -> bool:
    """Whether it is a picture, perhaps a damaged one; bytes may be anything."""
    content: Any = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if entries.is_array(content) and np.ndim(content) == 1:  # the bytes of a file, or anything else
        content = entries.numpy_of(content).tobytes()
    if not isinstance(content, entries.BYTES):
        if not isinstance(cell, Mapping) or "array" in cell:
            return True
        kind = modalities.of_ending(suffix_of(str(cell.get("path"))))
        return bool(kind) and not modalities.get(kind).IN_WORDS
    room = modalities.get(modalities.of_content(bytes(content)) or "image")
    return room.examine(bytes(content)).problem not in ("HS102", "HS103")


Find = Callable[[str], Item]


def items(
    column: pl.Series, names: Sequence[str], finders: Sequence[Find], *, white: bool = False
) -> list[Item]:
    """An item for each cell, called by the names; `finders` go from a path in a record to the file.

    With `white` it is known what is white, so that values of arrays stay as they are.
    """
    kind = column.dtype
    if kind == pl.Binary:
        there = column.is_not_null().to_list()
        return [
            RowItem(name, column, row) if there[row] else BadItem(name, NOTHING)
            for row, name in enumerate(names)
        ]
    if isinstance(kind, pl.Struct):
        return _of_records(column, names, finders)
    if kind == pl.Object:
        return pictures(column.to_list(), names, white=white)
    return pictures([_array(cell) for cell in column.to_list()], names, white=white)


def _array(cell: Any) -> Any:
    """A list of lists as an array; as it is where the lists are of unequal length."""
    try:
        return None if cell is None else np.array(cell)
    except ValueError:
        return cell


def _of_records(column: pl.Series, names: Sequence[str], finders: Sequence[Find]) -> list[Item]:
    content = column.struct.field("bytes")
    has_path = any(one.name == "path" for one in column.dtype.fields)  # type: ignore[attr-defined]
    paths = column.struct.field("path").to_list() if has_path else [None] * len(column)
    found: list[Item] = []
    for row, there in enumerate(content.is_not_null().to_list()):
        path = str(paths[row] or "").strip()
        name = f"{names[row]} ({path})" if path else names[row]
        if there:
            found.append(RowItem(name, content, row))
        elif path:
            found.append(renamed(finders[row](path), name))
        else:
            found.append(BadItem(name, NOTHING))
    return found


def class_names(said: str) -> dict[str, list[str]]:
    """What the numbers of a table's columns stand for, by the features that the hub writes into its file.

    Empty where nothing is said, or what is said cannot be read.
    """
    try:
        with parsing():
            features = read_object(said)["info"]["features"] if said else {}
            found = {name: _names(feature) for name, feature in dict(features).items()}
    except Damaged:
        return {}
    return {name: names for name, names in found.items() if names and len(set(names)) == len(names)}


def _names(feature: Any) -> list[str]:
    while isinstance(feature, list | Mapping) and "names" not in feature:  # a list of classes
        feature = feature[0] if isinstance(feature, list) and feature else dict(feature).get("feature")
    known = isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel"
    return [str(name) for name in feature["names"]] if known and isinstance(feature["names"], list) else []


def with_class_names(table: pl.DataFrame, said: str) -> pl.DataFrame:
    """The table with names of classes instead of their numbers; -1 is none.

    Raises `DataError` for a number that has no name.
    """
    for name, names in class_names(said).items():
        column = table.get_column(name, default=None)
        if column is None:
            continue
        lists = isinstance(column.dtype, pl.List)
        numbers = column.explode() if lists else column
        if not numbers.dtype.is_integer():
            continue
        if (most := numbers.max()) is not None and int(most) >= len(names):  # type: ignore[arg-type]
            problem = f"the column {name!r} holds class {most}, but its features name {len(names)} classes"
            raise DataError("the table", problem)
        kind, known, cell = pl.Enum(names), dict(enumerate(names)), pl.element() if lists else pl.col(name)
        to_name = cell.replace_strict(known, default=None, return_dtype=kind)
        table = table.with_columns(pl.col(name).list.eval(to_name) if lists else to_name)
    return table


def classes_of(kind: pl.DataType) -> list[str] | None:
    """The classes of a column that knows their names, in order; None for any other."""
    inner = kind.inner if isinstance(kind, pl.List) else kind
    return list(inner.categories) if isinstance(inner, pl.Enum) else None
