"""A .json by what it holds: whatever says without doubt what the rows are; the rest is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from headstart import modalities
from headstart.core import words
from headstart.data import columns
from headstart.data.forms.records import parsed, read_lines, table_of, whole
from headstart.data.reading import SPLITS, suffix_of

_KINDS = ((str, "text"), (bool, "truth value"), ((int, float), "number"), (list, "list"), (dict, "record"))
_REMEDY = "write an array with one record {...} for each row"


class Rows(NamedTuple):
    """The records of a document, and what to say of where they lay in it."""

    records: list[dict[str, Any]]
    said: str = ""
    unread: tuple[str, ...] = ()
    """What else the document holds."""


def read(content: str) -> tuple[pl.DataFrame, tuple[tuple[str, str], ...]]:
    """(the table, what to say of it). Raises `ValueError`, and whatever polars does."""
    if not content.strip():
        raise ValueError("it is empty")
    try:
        document = parsed(whole(content))
    except json.JSONDecodeError as error:
        if _is_record(content.strip().split("\n", 1)[0]):
            return read_lines(content)
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"it is not valid JSON ({place}: {error.msg})") from None
    found = rows_of(document)
    said = found.said
    if found.unread:
        said += f"; not read: {', '.join(map(repr, found.unread[:8]))}"
    return table_of(found.records), (("HS509", said),) if said else ()


def _is_record(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def rows_of(found: Any) -> Rows:
    """The rows of a document. Raises `ValueError`, which says what was found instead."""
    if isinstance(found, list) and found and all(isinstance(entry, dict) for entry in found):
        return Rows(found)
    if isinstance(found, dict) and found:
        if found.get("type") in ("FeatureCollection", "Feature"):
            raise ValueError(f"it is GeoJSON (a {found['type']}), which holds places: {_REMEDY}")
        if {"images", "annotations"} <= found.keys():
            remedy = "write a table with a row, and a label, for each image"
            raise ValueError(f"it is COCO (boxes and outlines in images): {remedy}")
        for reading in (_parts, _split_apart, _one_array, _as_columns, _by_name, _one_inside):
            if (rows := reading(found)) is not None:
                return rows
    raise ValueError(f"it holds {_named(found)}: {_REMEDY}")


def _parts(found: Mapping[str, Any]) -> Rows | None:
    """One array, or one record of columns, for each split."""
    named = all(name.lower() in SPLITS for name in found)
    if not named or not all(isinstance(part, list | dict) and part for part in found.values()):
        return None
    if all(isinstance(part, list) and not isinstance(part[0], dict) for part in found.values()):
        return None
    records = []
    for name, part in found.items():
        for record in rows_of(part).records:
            if "split" in record:
                raise ValueError(
                    f"it holds parts ({', '.join(found)}) whose records have a 'split' of their own"
                )
            records.append({**record, "split": name})
    return Rows(records, f"the parts {', '.join(map(repr, found))} are the splits")


def _split_apart(found: Mapping[str, Any]) -> Rows | None:
    """As pandas writes with orient="split": names, index and rows apart."""
    if not {"columns", "data"} <= found.keys() <= {"columns", "data", "index", "index_names", "column_names"}:
        return None
    names, rows = found["columns"], found["data"]
    lists = isinstance(names, list) and isinstance(rows, list)
    if not lists or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return None
    return Rows([dict(zip(names, row, strict=True)) for row in rows], "the columns and the rows lie apart")


def _one_array(found: Mapping[str, Any]) -> Rows | None:
    """One array of records among other things."""
    lists = {name: value for name, value in found.items() if isinstance(value, list)}
    arrays = {name: rows for name, rows in lists.items() if rows and all(isinstance(r, dict) for r in rows)}
    alike = {len(value) for value in lists.values()}
    if len(arrays) != 1 or (len(lists) == len(found) > 1 and len(alike) == 1):
        return None
    ((name, rows),) = arrays.items()
    return Rows(rows, f"its rows are those of {name!r}", tuple(key for key in found if key != name))


def _as_columns(found: Mapping[str, Any]) -> Rows | None:
    """A record of equally long columns: lists, or (as pandas writes) records of a value for each row."""
    values = list(found.values())
    if all(isinstance(value, list) for value in values):
        arrays = sum(bool(value) and all(isinstance(r, dict) for r in value) for value in values)
        if len({len(value) for value in values}) != 1 or arrays == len(values) or not values[0]:
            return None
        rows = [dict(zip(found, row, strict=True)) for row in zip(*values, strict=True)]
        return Rows(rows, f"it is a record of columns of {len(rows)} rows each")
    inner = _inner(found)
    if inner is None or not _surely(found, inner) or len({tuple(v) for v in values}) != 1:
        return None
    rows = [{name: column[key] for name, column in found.items()} for key in inner]
    return Rows(rows, f"it is a record of columns of {len(rows)} rows each")


def _by_name(found: Mapping[str, Any]) -> Rows | None:
    """A record for each row, under its name or number; or a label for each file."""
    files = all(suffix_of(name) in modalities.endings() for name in found)
    inner = _inner(found)
    if inner is not None and (files or _surely(inner, found)):
        under = "file" if files else "index"
        rows = [{under: name, **record} for name, record in found.items()]
        return Rows(rows, f"it has one record for each {'file' if files else 'row'}, under its name")
    if files and not any(isinstance(value, dict) for value in found.values()):
        rows = [{"file": name, "label": value} for name, value in found.items()]
        return Rows(rows, "it has a label for each file")
    return None


def _inner(found: Mapping[str, Any]) -> list[str] | None:
    """The names inside of the records that a record holds, if it holds nothing else."""
    values = list(found.values())
    if not all(isinstance(value, dict) and value for value in values):
        return None
    return list(dict.fromkeys(name for value in values for name in value))


def _surely(names: Sequence[str] | Mapping[str, Any], rows: Sequence[str] | Mapping[str, Any]) -> bool:
    """Whether of two lists of names the first are, without doubt, those of columns, the second of rows."""
    if all(map(str.isdecimal, rows)) and not any(map(str.isdecimal, names)):
        return True
    return any(map(columns.is_usual, names)) and not any(map(columns.is_usual, rows))


def _one_inside(found: Mapping[str, Any]) -> Rows | None:
    """One row; or what holds the rows, inside of a record with nothing beside it that might."""
    deeper = {name: value for name, value in found.items() if isinstance(value, dict | list)}
    if not deeper:
        return Rows([dict(found)])
    (name, value) = next(iter(deeper.items()))
    if len(deeper) > 1 or not isinstance(value, dict):
        return None
    if not any(isinstance(entry, list | dict) for entry in value.values()):
        return None
    inside = rows_of(value)
    others = (*(f"{name}.{key}" for key in inside.unread), *(key for key in found if key != name))
    return Rows(inside.records, f"in {name!r}: {inside.said or 'its rows'}", others)


def _named(found: Any) -> str:
    """What a document is, in words: "an array of 24 texts", "a record of 3 lists of 12, 11 and 4 entries"."""
    if isinstance(found, list):
        kinds = list(dict.fromkeys(_kind(entry) for entry in found))
        if not found:
            return "an empty array"
        return f"an array of {words.count(len(found), kinds[0]) if len(kinds) == 1 else ' and '.join(kinds)}"
    if isinstance(found, dict):
        shown = words.few(list(found), each=lambda name: f"{name!r} ({_inside(found[name])})")
        return f"a record of {shown}" if found else "an empty record"
    return f"one {_kind(found)}"


def _kind(entry: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(entry, kind)), "nothing")


def _inside(value: Any) -> str:
    if not isinstance(value, list | dict):
        return _kind(value)
    kinds = {_kind(entry) for entry in (value.values() if isinstance(value, dict) else value)}
    of = f" of {kinds.pop()}s" if len(kinds) == 1 else ""
    return f"{'record' if isinstance(value, dict) else 'array'}{of}, {len(value):,}"
