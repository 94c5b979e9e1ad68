"""Objects in a record for each image, as Hugging Face has them: in a column, or in metadata.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.core.dataset import Note
from headstart.core.untrusted import Damaged, read_object
from headstart.data.boxes.formats.written import Corners, Mark, Sheet, Written, folder_split, one_each
from headstart.data.folders.tree import Tree

LAYOUT = "images and metadata.jsonl with `objects` of `bbox` and `category` (Hugging Face)"
COLUMN = "objects"
BOXES = ("bbox", "bboxes", "boxes", "box")
LABELS = ("category", "categories", "category_id", "label", "labels", "class", "classes", "name")
FILE = "metadata.jsonl"
_ENOUGH = 3
"""Boxes that all look like corners before they are read so."""


def find(tree: Tree) -> list[str]:
    """The files metadata.jsonl that tell of objects."""
    listed = [path for path in tree.paths if path.rpartition("/")[2] == FILE]
    return [path for path in listed if b'"objects"' in tree.item(path).read()]


def read(tree: Tree, files: Sequence[str]) -> Written:
    """Raises `DataError` for a file that is damaged."""
    sheets = one_each(tree, files, of_lines, "list of objects")
    return oriented(sheets, tree.origin)


def of_lines(data: bytes, source: str = "") -> list[Sheet]:
    """A sheet a line, its corners as they are written. Raises `Damaged`."""
    sheets = []
    for place, line in enumerate(data.decode("utf-8-sig").splitlines()):
        if not line.strip():
            continue
        try:
            record = read_object(line)
            name = record.get("file_name")
            if not isinstance(name, str):
                raise Damaged("file_name is missing")
            given = record.get(COLUMN)
            marks = () if given is None else marks_of(given)
        except Damaged as error:
            raise Damaged(f"line {place + 1}: {error}") from None
        sheets.append(Sheet(name, marks, None, folder_split(source), source))
    return sheets


def marks_of(given: Any, names: Sequence[str] = ()) -> tuple[Mark, ...]:
    """The objects of one image, a record of lists or a list of records; numbers of classes stand for `names`.

    Raises `Damaged`.
    """
    if isinstance(given, Mapping):
        boxes, labels = given.get(_key(given, BOXES)), given.get(_key(given, LABELS))
    elif isinstance(given, list) and all(isinstance(one, Mapping) for one in given):
        boxes = [one.get(_key(one, BOXES)) for one in given]
        labels = [one.get(_key(one, LABELS)) for one in given]
    else:
        raise Damaged(f"{COLUMN} are neither a record nor a list of records")
    boxes, labels = list(boxes or ()), list(labels or ())
    if len(boxes) != len(labels):
        raise Damaged(f"{len(boxes)} boxes and {len(labels)} classes")
    return tuple(Mark(_label(label, names), _numbers(box)) for box, label in zip(boxes, labels, strict=True))


def _key(record: Mapping[str, Any], known: Sequence[str]) -> str:
    found = next((name for name in known if name in record), None)
    if found is None:
        raise Damaged(f"{COLUMN} have no {known[0]} (but {', '.join(map(str, record)) or 'nothing'})")
    return found


def _label(label: Any, names: Sequence[str]) -> str:
    if isinstance(label, int) and not isinstance(label, bool) and names:
        if not 0 <= label < len(names):
            raise Damaged(f"the class {label}, which has no name: there are {len(names)}")
        return names[label]
    if label is None or isinstance(label, float | list | dict):
        raise Damaged(f"{str(label)[:40]!r} is no class")
    return str(label)


def _numbers(box: Any) -> Corners:
    try:
        left, top, third, fourth = map(float, box)
    except (TypeError, ValueError):
        raise Damaged(f"bbox is {str(box)[:60]}, not four numbers") from None
    return left, top, third, fourth


def oriented(sheets: Sequence[Sheet], where: str, labels: Sequence[str] = ()) -> Written:
    """With corners of boxes that are left, top, width and height, unless all look like left, top, right and
    bottom; which it is, is told."""
    every = [mark.corners for sheet in sheets for mark in sheet.marks]
    inside = [box for box in every if box[0] > 0 and box[1] > 0]
    if len(inside) >= _ENOUGH and all(box[2] > box[0] and box[3] > box[1] for box in every):
        note = Note(
            "HS310", where, "each bbox is read as left, top, right, bottom: its last two are always larger"
        )
        return Written(tuple(sheets), tuple(labels), (note,))
    note = Note("HS310", where, "each bbox is read as left, top, width, height")
    moved = [
        Sheet(one.image, tuple(mark._replace(corners=_moved(mark.corners)) for mark in one.marks), one.size,
              one.split, one.source)
        for one in sheets
    ]  # fmt: skip
    return Written(tuple(moved), tuple(labels), (note,))


def _moved(box: Corners) -> Corners:
    left, top, width, height = box
    return left, top, left + width, top + height
