"""Data sets of the Hugging Face package `datasets`, when it is installed. Nothing is fetched here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart._lazy import optional
from headstart.core.dataset import Dataset, Item
from headstart.core.task import CLASSIFICATION, MULTILABEL
from headstart.data import labels
from headstart.data.columns import GROUPS, LABELS
from headstart.data.reading import SPLITS, Reading
from headstart.errors import DataError, UnknownName


@dataclass(frozen=True)
class HubItem:
    """A row of a hub data set: its encoded image."""

    id: str
    rows: Any = field(repr=False, compare=False)
    column: str
    row: int

    def read(self) -> bytes:
        """The bytes as they are stored. Raises `OSError`."""
        cell = self.rows[self.row][self.column]
        if cell is None:
            raise OSError("there is no image in this row")
        if cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        return Path(cell["path"]).read_bytes()


def accepts(data: Any) -> bool:
    """A `datasets.Dataset` or `DatasetDict`, told by its module: the package need not be there."""
    kind = type(data)
    return kind.__module__.split(".")[0] == "datasets" and kind.__name__ in ("Dataset", "DatasetDict")


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from a hub data set. Raises `DataError`, `UnknownName`."""
    hub = optional("datasets", extra="hub", needed_for="reading a Hugging Face data set")
    parts = {str(k): v for k, v in data.items()} if hasattr(data, "items") else {"": data}
    unknown = [name for name in parts if name and name.lower() not in SPLITS]
    if unknown:
        raise DataError(
            "the hub data set", f"its part {unknown[0]!r} is no split", "rename it train, val or test"
        )
    first = next(iter(parts.values()))
    image = _image_column(first.features, reading.path_column, hub)
    label = _named(first.features, reading.label_column, LABELS)
    group = _named(first.features, reading.group_column, GROUPS)
    items: list[Item] = []
    values: list[Any] = []
    split: list[str] = []
    groups: list[Any] = []
    for name, part in parts.items():
        raw = part.cast_column(image, hub.Image(decode=False)).select_columns([image])
        width = len(str(max(len(part) - 1, 0)))
        prefix = f"{name}/" if name else ""
        items += [HubItem(f"{prefix}{i:0{width}d}", raw, image, i) for i in range(len(part))]
        values += list(part[label]) if label else [None] * len(part)
        groups += list(part[group]) if group else []
        split += [SPLITS.get(name.lower(), "")] * len(part)
    kind, classes, values = (
        _label_space(first.features[label], values, hub) if label else (None, None, values)
    )
    origin = str(getattr(first.info, "dataset_name", None) or "hub data set")
    task, y, notes = labels.encode(
        values,
        where=origin,
        name=label or "label",
        kind=reading.task or kind,
        classes=reading.labels or classes,
    )
    return Dataset(
        name=reading.name or origin,
        modality="image",
        items=tuple(items),
        task=task,
        y=y,
        groups=np.unique(np.array([str(g) for g in groups]), return_inverse=True)[1] if group else None,
        split=np.array(split) if any(split) else None,
        origin=origin,
        notes=notes,
    )


def _image_column(features: Any, given: str | None, hub: Any) -> str:
    if given is not None and given not in features:
        raise UnknownName("column", given, list(features))
    found = [name for name, feature in features.items() if isinstance(feature, hub.Image)]
    if given is not None and given not in found:
        raise DataError("the hub data set", f"its column {given!r} holds no images")
    if not found:
        raise DataError("the hub data set", f"no column holds images among {', '.join(features)}")
    return given or found[0]


def _named(features: Any, given: str | None, usual: tuple[str, ...]) -> str | None:
    if given is not None:
        if given not in features:
            raise UnknownName("column", given, list(features))
        return given
    return next((name for word in usual for name in features if name.lower() == word), None)


def _label_space(feature: Any, values: list[Any], hub: Any) -> tuple[str | None, list[str] | None, list[Any]]:
    """Kind, class names and labels as text for a column of class numbers; -1 is no label."""
    inner = getattr(feature, "feature", None)
    if isinstance(feature, hub.ClassLabel):
        names = list(feature.names)
        return CLASSIFICATION, names, [None if v is None or v < 0 else names[v] for v in values]
    if isinstance(inner, hub.ClassLabel):
        names = list(inner.names)
        return MULTILABEL, names, [None if v is None else [names[i] for i in v] for v in values]
    return None, None, values
