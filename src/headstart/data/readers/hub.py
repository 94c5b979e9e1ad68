"""Data sets of the Hugging Face package `datasets`, when it is installed. Nothing is fetched here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from headstart._lazy import optional
from headstart.core.dataset import Dataset, Item, TextItem
from headstart.core.task import CLASSIFICATION, MULTILABEL
from headstart.core.untrusted import Damaged, parsing
from headstart.data import columns, labels, parts
from headstart.data.boxes import folders as boxes
from headstart.data.boxes.formats import records
from headstart.data.boxes.formats.written import Sheet
from headstart.data.columns import LOOKED_AT, Cells, Columns
from headstart.data.items import cells, entries
from headstart.data.items.entries import RowItem
from headstart.data.reading import SPLITS, Reading
from headstart.errors import DataError, UnknownName


def accepts(data: Any) -> bool:
    """A `datasets.Dataset` or `DatasetDict`, told by its module: the package need not be there."""
    kind = type(data)
    return kind.__module__.split(".")[0] == "datasets" and kind.__name__ in ("Dataset", "DatasetDict")


SAVED = ("dataset_info.json", "dataset_dict.json")
"""What `save_to_disk` writes at the top of its folder."""


def is_saved(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    try:
        if (folder / SAVED[1]).is_file():
            return True
        return (folder / SAVED[0]).is_file() and any(folder.glob("*.arrow"))
    except OSError:
        return False


def read_saved(folder: Path, reading: Reading) -> Dataset:
    """A data set that `save_to_disk` wrote. Raises `DataError`, `MissingExtra`."""
    hub = optional("datasets", extra="hub", needed_for=f"reading {folder}, which it wrote,")
    try:
        with parsing():
            found = hub.load_from_disk(str(folder))
    except (Damaged, OSError) as error:
        raise DataError(str(folder), f"a saved data set that cannot be read: {error}") from None
    dataset = read(found, reading)
    return replace(dataset, name=reading.name or folder.resolve().name, origin=str(folder))


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from a hub data set. Raises `DataError`, `UnknownName`."""
    hub = optional("datasets", extra="hub", needed_for="reading a Hugging Face data set")
    shards = {str(k): v for k, v in data.items()} if hasattr(data, "items") else {"": data}
    unknown = [name for name in shards if name and name.lower() not in SPLITS]
    if unknown:
        raise DataError(
            "the hub data set", f"its part {unknown[0]!r} is no split", "rename it train, val or test"
        )
    first = next(iter(shards.values()))
    if boxes.wanted(reading) and not reading.items_only:
        if records.COLUMN in first.features and not reading.columns:
            return _with_objects(shards, first, reading, hub)
        if reading.task is not None:
            problem = f"no column is called {records.COLUMN!r} among {', '.join(first.features)}"
            raise DataError("the hub data set", problem, "give it records of bbox and category")
    use = _item_columns(first, reading, hub)
    if not reading.items_only:
        use = _others(first, use, reading, hub, named="" not in shards)
    label, group, part_of = use.label, use.group, use.split
    items: list[Item] = []
    split: list[Any] = []
    for name, part in shards.items():
        items += _items(part, use, f"{name}/" if name else "", hub)
        split += [SPLITS.get(name.lower(), "")] * len(part)
    kind: str | None = None
    classes: list[str] | None = None
    values: list[Any] = [None] * len(items)
    if use.labels:
        columns.check_several(reading.task, "the hub data set")
        values = labels.from_columns({name: _column(shards, name) for name in use.labels}, "the hub data set")
        kind, classes = MULTILABEL, list(use.labels)
    elif label:
        kind, classes, values = _label_space(first.features[label], _column(shards, label), hub)
    origin = str(getattr(first.info, "dataset_name", None) or "hub data set")
    if part_of:
        split = _names_of(first.features[part_of], _column(shards, part_of), hub)
    kind, classes = reading.task or kind, classes if reading.labels is None else reading.labels
    task, y, notes = labels.encode(
        values, where=origin, name=label or "label", kind=kind, classes=classes, typed=True, **reading.marks
    )
    groups, names = parts.groups(_column(shards, group)) if group else (None, ())
    return Dataset(
        name=reading.name or origin,
        modality=use.inside or "text",
        items=tuple(items),
        task=task,
        targets=y,
        groups=groups,
        group_names=names,
        split=parts.splits(split, part_of or "split", origin) if part_of or any(split) else None,
        origin=origin,
        pairs=use.pair is not None,
        notes=(*notes, use.told(list(first.features), origin, parts="" if "" in shards else "its parts")),
    )


def _with_objects(shards: Mapping[str, Any], first: Any, reading: Reading, hub: Any) -> Dataset:
    """Images with a column of objects. Raises `DataError`."""
    origin = str(getattr(first.info, "dataset_name", None) or "hub data set")
    use = _item_columns(first, reading, hub)
    if use.path is None:
        raise DataError(origin, f"it has {records.COLUMN}, and no column of images")
    names = _object_names(first.features[records.COLUMN], hub)
    items: dict[str, Item] = {}
    sheets: list[Sheet] = []
    for name, part in shards.items():
        some = _items(part, use, f"{name}/" if name else "", hub)
        items |= {item.id: item for item in some}
        for item, given in zip(some, part[records.COLUMN], strict=True):
            try:
                marks = records.marks_of(given if given is not None else [], names)
            except Damaged as error:
                raise DataError(origin, f"row {item.id}: {error}") from None
            sheets.append(Sheet(item.id, marks, split=SPLITS.get(name.lower(), "")))
    written = records.oriented(sheets, origin, names)
    placed = {sheet.image: sheet for sheet in written.sheets}
    return boxes.read_items(items, placed, written, reading, origin)


def _object_names(feature: Any, hub: Any) -> tuple[str, ...]:
    """The names of the classes of objects, where the feature says them."""
    while not isinstance(feature, Mapping):
        feature = feature[0] if isinstance(feature, list) else getattr(feature, "feature", {})
    label = feature.get(next((name for name in records.LABELS if name in feature), ""))
    label = getattr(label, "feature", label)
    return tuple(label.names) if isinstance(label, hub.ClassLabel) else ()


def _item_columns(first: Any, reading: Reading, hub: Any) -> Columns:
    """The column of images, or else the one or two of texts. Raises `DataError`, `UnknownName`."""
    where, features = "the hub data set", first.features
    images = [name for name, feature in features.items() if isinstance(feature, _kinds(hub))]
    images = images or _stored(first, hub)
    given = reading.path_column
    if given is not None and given not in features:
        raise UnknownName("column", given, list(features))
    if given is not None and given not in images:
        raise DataError(where, f"its column {given!r} holds no images")
    if images and reading.text_column is None and reading.pair_column is None:
        use = Columns(path=given or images[0])
        some = first.select(range(min(len(first), entries.LOOKED_AT)))
        return replace(use, inside=entries.modality_of(_items(some, use, "", hub)))
    seen = _cells(first, hub)
    for name in (reading.text_column, reading.pair_column):
        if name in features and name not in seen.texts:
            raise DataError(where, f"its column {name!r} holds no texts")
    if not seen.texts:
        raise DataError(where, f"no column holds images or texts among {', '.join(features)}")
    found = columns.find_items(seen, reading, where)
    if found.path is not None:
        raise DataError(where, f"no column holds images, and none texts, among {', '.join(features)}")
    return found


def _kinds(hub: Any) -> tuple[type, ...]:
    """The features of things that are files."""
    return hub.Image, hub.Audio


def _stored(first: Any, hub: Any) -> list[str]:
    """The columns of bytes, or of records with bytes, that are pictures although no feature says so."""
    held = [name for name, feature in first.features.items() if _may_hold(feature, hub)]
    found: list[str] = []
    for name in held:
        some = first.select(range(0, len(first), max(1, len(first) // cells.LOOKED_AT)))[name]
        frame = pl.DataFrame([pl.Series(name, list(some), strict=False)])
        found += cells.with_pictures(frame, lambda _: False)
    return found


def _may_hold(feature: Any, hub: Any) -> bool:
    if isinstance(feature, Mapping):
        return feature.keys() == {"bytes", "path"} and _may_hold(feature["bytes"], hub)
    return isinstance(feature, hub.Value) and "binary" in feature.dtype


def _cells(first: Any, hub: Any) -> Cells:
    """What columns are recognised by."""
    strings = [
        name
        for name, feature in first.features.items()
        if isinstance(feature, hub.Value) and feature.dtype in ("string", "large_string", "string_view")
    ]
    step = max(1, len(first) // LOOKED_AT)
    some = first.select(range(0, len(first), step)).select_columns(strings)
    found = {name: [value for value in some[name] if value and value.strip()] for name in strings}
    return Cells(tuple(first.features), found)


def _items(part: Any, use: Columns, prefix: str, hub: Any) -> list[Item]:
    width = len(str(max(len(part) - 1, 0)))
    if use.path is not None:
        known = part.features[use.path]
        kind: Any = type(known) if isinstance(known, _kinds(hub)) else hub.Image
        raw = part.cast_column(use.path, kind(decode=False)).select_columns([use.path])
        return [RowItem(f"{prefix}{i:0{width}d}", raw, i, use.path) for i in range(len(part))]
    firsts = [cell or "" for cell in part[use.text]]
    seconds = [cell or "" for cell in part[use.pair]] if use.pair else [None] * len(firsts)
    rows = zip(firsts, seconds, strict=True)
    return [TextItem(f"{prefix}{i:0{width}d}", one, two) for i, (one, two) in enumerate(rows)]


def _others(first: Any, use: Columns, reading: Reading, hub: Any, *, named: bool) -> Columns:
    """With the columns of labels, splits and groups, recognised as a table's are; `named` parts need none of
    splits. Raises `UnknownName`."""
    features = first.features
    for given in (*reading.label_columns, reading.split_column, reading.group_column):
        if given is not None and given not in features:
            raise UnknownName("column", given, list(features))
    odd = [name for name, feature in features.items() if not _may_be_label(feature, hub)]
    found, _ = columns.others(_cells(first, hub), reading, use, odd=odd)
    return replace(found, split=None) if named and reading.split_column is None else found


def _may_be_label(feature: Any, hub: Any) -> bool:
    """Whether a column that is called nothing in particular holds texts, numbers or lists of texts."""
    inner = getattr(feature, "feature", feature)
    if isinstance(inner, hub.ClassLabel):
        return True
    texts, numbers = ("string", "large_string"), ("int", "uint", "float", "bool", "decimal")
    return isinstance(inner, hub.Value) and inner.dtype.startswith(
        texts if inner is not feature else texts + numbers
    )


def _column(shards: Mapping[str, Any], name: str) -> list[Any]:
    return [value for part in shards.values() for value in part[name]]


def _names_of(feature: Any, values: list[Any], hub: Any) -> list[Any]:
    """Class numbers as the names they stand for; -1 is none. Other values as they are."""
    if not isinstance(feature, hub.ClassLabel):
        return values
    return [None if v is None or v < 0 else feature.names[v] for v in values]


def _label_space(feature: Any, values: list[Any], hub: Any) -> tuple[str | None, list[str] | None, list[Any]]:
    """Kind, class names and labels as text for a column of class numbers; -1 is no label."""
    inner = getattr(feature, "feature", None)
    if isinstance(feature, hub.ClassLabel):
        return CLASSIFICATION, list(feature.names), _names_of(feature, values, hub)
    if isinstance(inner, hub.ClassLabel):
        names = list(inner.names)
        rows = [v if v is None else [i for i in v if i is not None and i >= 0] for v in values]
        return MULTILABEL, names, [v if v is None else [names[i] for i in v] for v in rows]
    return None, None, values
