"""Items and labels in one Python object, told apart: (X, y), lists of (image, label), data sets of others.

`load` reads what is found here as it reads items and labels that were given apart; `predict` and the
estimators take the items alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, ValuesView
from dataclasses import replace
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset
from headstart.data import columns
from headstart.data.items import entries
from headstart.data.items.entries import RowItem, is_array, is_picture, is_record, length, nothing
from headstart.data.readers import arrays, frames, hub, strings
from headstart.data.reading import Reading
from headstart.errors import BadOption, DataError, ItemError

WHERE = "the data given"
REMEDY = "give hs.load(X, labels=y), or a list of (image, label)"


class Unpacked(NamedTuple):
    """What holds the items, and a label for each of them where there are labels."""

    items: Any
    labels: Any = None


def accepts(data: Any) -> bool:
    """Items with their labels; data sets of other libraries; and what has no length, which is refused."""
    if entries.is_path(data) or is_picture(data) or is_array(data):
        return False
    if isinstance(data, list | tuple):
        return unpacked(data).items is not data
    return _is_bunch(data) or _is_map(data) or (isinstance(data, Iterable) and not frames.accepts(data))


def read(data: Any, reading: Reading) -> Dataset:
    """As the items with the labels that are found in it. Raises `DataError`, `BadOption`."""
    found = unpacked(data, labels=not reading.items_only)
    if found.items is data:
        kind = type(data).__name__
        problem = f"{kind} gives its items one after the other, and each is needed more than once"
        raise DataError(WHERE, problem, "give a list")
    if found.labels is not None and not reading.items_only:
        if reading.labels is not None:
            raise BadOption("labels", type(reading.labels).__name__, "left out: there are labels in the data")
        reading = replace(reading, labels=found.labels)
    reader: Any = next((one for one in (frames, strings) if one.accepts(found.items)), arrays)
    dataset: Dataset = reader.read(found.items, reading)
    return dataset


def unpacked(data: Any, *, labels: bool = True) -> Unpacked:
    """The items and their labels; the data itself where it is nothing of the kind.

    Without `labels` a data set is not read through for them. Raises `DataError` for what must be written
    otherwise: batches, rows of another form, several parts.
    """
    if entries.is_path(data) or is_picture(data):
        return Unpacked(data)
    _refuse_streams(data)
    if isinstance(data, list | tuple):
        return _of_list(data)
    if isinstance(data, ValuesView):
        return Unpacked(list(data))
    if _is_bunch(data):
        return _of_bunch(data)
    return _of_map(data, labels=labels) if _is_map(data) else Unpacked(data)


def _refuse_streams(data: Any) -> None:
    kind = type(data).__name__
    if hasattr(data, "batch_size") and hasattr(data, "dataset"):
        raise DataError(WHERE, f"{kind} gives batches", "give the data set that it reads (its .dataset)")
    if any(one.__name__ in ("IterableDataset", "IterableDatasetDict") for one in type(data).__mro__):
        problem = f"{kind} gives its items one after the other, and each is needed more than once"
        raise DataError(WHERE, problem, "give a data set with a length, or a list of (image, label)")


def _of_list(data: Sequence[Any]) -> Unpacked:
    first = next((row for row in data if not nothing(row)), None)
    if isinstance(first, Mapping) and not is_record(first):  # a record for each row
        names = dict.fromkeys(name for row in data if isinstance(row, Mapping) for name in row)
        odd = next((i for i, row in enumerate(data) if not (nothing(row) or isinstance(row, Mapping))), None)
        if odd is not None:
            problem = f"{type(data[odd]).__name__}, where the others are records"
            raise DataError(f"row {odd + 1} of {WHERE}", problem, "give a record for each row")
        records = [row if isinstance(row, Mapping) else {} for row in data]
        return Unpacked({str(name): [row.get(name) for row in records] for name in names})
    if _is_row(first):
        return _of_rows(data)
    if modalities.of_object(first):  # of two sounds, each with its rate, one may look like the labels
        return Unpacked(data)
    if _is_xy(data):
        return Unpacked(data[0], _tidy(data[1]))
    _refuse_parts(data)
    if isinstance(first, tuple | list) and first and is_picture(first[0]):
        found = ", ".join(type(part).__name__ for part in first[:4])
        raise DataError(WHERE, f"the rows are ({found}), not (image, label)", REMEDY)
    return Unpacked(data)


def _of_rows(rows: Sequence[Any]) -> Unpacked:
    """Rows of (item, label), all of them."""
    firsts = [row[0] if isinstance(row, tuple | list) and len(row) == 2 else row for row in rows]
    if isinstance(firsts[0], str) and not _is_number(rows[0][1]) and not strings.are_paths(firsts):
        return Unpacked(rows)  # pairs of texts, the first of which happens to name a file
    odd = next((row for row, entry in enumerate(rows) if not _is_row(entry)), None)
    if odd is not None:
        found = type(rows[odd]).__name__
        raise DataError(f"row {odd + 1} of {WHERE}", f"{found}, where (item, label) is needed", REMEDY)
    return Unpacked(firsts, _tidy([label for _, label in rows]))


def _is_row(row: Any) -> bool:
    """An item with its label, beyond doubt: two texts are a pair of texts."""
    if not isinstance(row, tuple | list) or len(row) != 2:
        return False
    item, label = row
    if isinstance(item, str) or (isinstance(item, tuple) and strings.is_pair(item)):
        path = isinstance(item, str) and strings.is_path(item)
        return _is_number(label) or (path and _is_label(label))
    return (is_picture(item) or isinstance(item, os.PathLike)) and _is_label(label)


def _is_number(entry: Any) -> bool:
    return isinstance(entry, Number | np.number | np.bool_) or (is_array(entry) and np.ndim(entry) == 0)


def _is_label(entry: Any) -> bool:
    if isinstance(entry, str):
        return not strings.is_path(entry)
    if isinstance(entry, list | tuple | set | frozenset):
        return all(isinstance(one, str) or _is_number(one) for one in entry)
    return nothing(entry) or _is_number(entry) or (is_array(entry) and np.ndim(entry) == 1)


def _is_xy(data: Sequence[Any]) -> bool:
    """Items and as many labels, beyond doubt."""
    if len(data) != 2:
        return False
    items, labels = data
    count = _count(items)
    if count < 1 or length(labels) != count:
        return False
    if is_array(labels):
        flat = np.ndim(labels) == 1 or (np.ndim(labels) == 2 and np.shape(labels)[1] == 1)
        return flat or (np.ndim(labels) == 2 and not (is_array(items) and np.ndim(items) < 4))
    if not isinstance(labels, list | tuple) or not all(map(_is_label, labels)):
        return False
    return not (
        count == 2 and isinstance(items, list | tuple) and strings.is_pair(items)
    )  # two pairs of texts


def _count(items: Any) -> int:
    """How many items something holds; -1 for a single one, or none."""
    if frames.accepts(items):
        return len(next(iter(items.values()))) if isinstance(items, Mapping) else len(items)
    if is_array(items):
        return length(items) if np.ndim(items) > 1 or not _is_number(next(iter(items), 0)) else -1
    return -1 if is_picture(items) or entries.is_path(items) else length(items)


def _refuse_parts(data: Sequence[Any]) -> None:
    """Training and test data in one tuple, as several libraries hand them out."""
    found = len(data) == 2 and all(isinstance(part, list | tuple) and _is_xy(part) for part in data)
    if len(data) == 4:
        a, b, c, d = data
        found = (_is_xy((a, b)) and _is_xy((c, d))) or (_is_xy((a, c)) and _is_xy((b, d)))
    if found:
        problem = "it holds the items and labels of two parts, for training and for testing"
        raise DataError(WHERE, problem, "give the first, hs.load(X, labels=y), and the other to evaluate")


def _is_bunch(data: Any) -> bool:
    """What scikit-learn's loaders give."""
    return type(data).__name__ == "Bunch" and isinstance(data, Mapping) and "target" in data


def _of_bunch(data: Mapping[str, Any]) -> Unpacked:
    held = next((name for name in ("images", "data") if name in data), "")
    if not held:
        raise DataError(WHERE, f"a Bunch of {', '.join(data)}: no data in it", REMEDY)
    return Unpacked(data[held], _tidy(data["target"], data.get("target_names")))


def _is_map(data: Any) -> bool:
    """A data set whose rows are asked for by number, such as those of torch."""
    if isinstance(data, Mapping | Sequence | Dataset | type) or is_array(data):
        return False
    if frames.accepts(data) or hub.accepts(data):
        return False
    return hasattr(data, "__getitem__") and length(data) >= 0


def _of_map(data: Any, *, labels: bool) -> Unpacked:
    count, kind = length(data), type(data).__name__
    if not count:
        return Unpacked([])
    first = _row(data, 0)
    held, label = _parts(first, kind)
    item = first if held is None else first[held]
    if isinstance(item, str) and not strings.is_path(item):
        rows = [_row(data, row) for row in range(count)]
        texts = rows if held is None else [row[held] for row in rows]
        return Unpacked(texts, None if label is None else _tidy([row[label] for row in rows], _classes(data)))
    width = len(str(count - 1))
    items = [RowItem(f"{row:0{width}d}", data, row, held) for row in range(count)]
    for row in sorted({0, count // 2}):
        try:
            same = items[row].read() == items[row].read()
        except (OSError, ItemError):  # what cannot be read is told when it is examined
            continue
        if not same:
            problem = f"{kind} gives another picture each time that row {row} is asked for"
            raise DataError(
                WHERE, problem, "leave out its random transform: pictures are varied where it helps"
            )
    if label is None or not labels:
        return Unpacked(items)
    return Unpacked(items, _tidy([_row(data, row)[label] for row in range(count)], _classes(data)))


def _row(data: Any, row: int) -> Any:
    try:
        return data[row]
    except Exception as error:  # the code of others raises what it likes
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(f"row {row} of {WHERE}", f"{type(data).__name__} cannot give it ({text})") from None


def _parts(row: Any, kind: str) -> tuple[Any, Any]:
    """Where in a row the item is, and where its label; None where the row is the item, or has no label."""
    if isinstance(row, tuple | list) and len(row) == 2 and (_is_row(tuple(row)) or not is_picture(row[1])):
        return 0, 1
    if isinstance(row, Mapping) and not is_record(row):
        names = [name for name in row if isinstance(name, str)]
        held = [name for name in names if is_picture(row[name])]
        item = held[0] if len(held) == 1 else columns.named_as(names, (*columns.PATHS, *columns.TEXTS))
        if item is not None:
            return item, columns.named_as([name for name in names if name != item], columns.LABELS)
    elif not isinstance(row, tuple | list):
        return None, None
    found = (
        ", ".join(map(str, row)) if isinstance(row, Mapping) else ", ".join(type(one).__name__ for one in row)
    )
    raise DataError(WHERE, f"the rows of {kind} are ({found}), not (image, label)", REMEDY)


def _classes(data: Any) -> Any:
    """The names of the classes, of a data set or of that of which it is a part."""
    while not hasattr(data, "classes") and hasattr(data, "dataset"):
        data = data.dataset
    return getattr(data, "classes", None)


def _tidy(labels: Any, classes: Any = None) -> Any:
    """Labels in a list or an array; numbers of classes as the names that they stand for."""
    found = _on_cpu(labels)
    if not isinstance(found, np.ndarray):
        found = [_on_cpu(one) for one in found]
        found = [one.item() if isinstance(one, np.ndarray) and one.ndim == 0 else one for one in found]
        if all(isinstance(one, np.ndarray) for one in found) and len({one.shape for one in found}) == 1:
            found = np.stack(found)  # a row of a table for each
    names = [str(name) for name in classes] if classes is not None and length(classes) > 0 else []
    flat = found.tolist() if isinstance(found, np.ndarray) else found
    numbers = all(type(one) is int and 0 <= one < len(names) for one in flat)
    return [names[one] for one in flat] if numbers and len(set(names)) == len(names) else found


def _on_cpu(entry: Any) -> Any:
    if not is_array(entry):
        return entry
    try:
        return entries.numpy_of(entry)
    except ItemError as error:
        raise DataError(WHERE, f"its labels: {error.problem}", REMEDY) from None
