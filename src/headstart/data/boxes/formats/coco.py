"""COCO JSON: one file for many images, with `images`, `annotations` and `categories`."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.core import words
from headstart.core.dataset import Note
from headstart.core.untrusted import Damaged, field, limits, read_object
from headstart.data.boxes.formats import rle
from headstart.data.boxes.formats.written import Corners, Mark, Sheet, Written, around, one_each
from headstart.data.folders.tree import Tree
from headstart.data.reading import printable, split_in, suffix_of

LAYOUT = "images/ and annotations.json (COCO; or train/, val/ and test/ with _annotations.coco.json)"
_MOST = 64
"""Files .json that are looked into."""
_WORDS = (b'"images"', b'"annotations"', b'"categories"', b'"bbox"')

_BEGINS = re.compile(rb'\s*\{\s*"(?:info|licenses|images|annotations|categories)"|\s*\[\s*\{\s*"image_id"')
"""How one begins that is cut off, or is a list of answers."""


def find(tree: Tree) -> list[str]:
    """The files of a tree that are COCO JSON by the words in them; where some are called "instances", those:
    beside them others tell of the same images' captions and poses."""
    listed = [path for path in tree.paths if suffix_of(path) == ".json"]
    if len(listed) > _MOST:  # one for each item: only those whose names say it
        listed = [path for path in listed if named(path)]
    found = []
    for path in listed:
        try:
            data = tree.item(path).read()
        except OSError:
            continue
        said = [word in data for word in _WORDS]
        if (all(said[:2]) and any(said[2:])) or (named(path) and _BEGINS.match(data)):
            found.append(path)
    return [path for path in found if path.rpartition("/")[2].startswith("instances")] or found


def named(path: str) -> bool:
    """Whether a file is called as those of COCO are."""
    name = path.rpartition("/")[2].lower()
    return suffix_of(name) == ".json" and name.startswith(
        ("_annotations", "annotations", "instances", "coco")
    )


def read(tree: Tree, files: Sequence[str]) -> Written:
    """Raises `DataError` for a file that is damaged, or no COCO JSON."""
    labels: dict[str, None] = {}
    notes: list[Note] = []

    def parse(data: bytes, path: str) -> tuple[Sheet, ...]:
        found = of_json(data, path)
        labels.update(dict.fromkeys(found.labels))
        notes.extend(found.notes)
        return found.sheets

    sheets = one_each(tree, files, parse, "COCO JSON")
    return Written(tuple(sheets), tuple(labels), tuple(notes))


def of_json(data: bytes, source: str = "") -> Written:
    """The boxes of a file, and its outlines as they are written. Raises `Damaged`, `ValueError`."""
    given = read_object(data, most=limits.ITEM_BYTES)
    images, annotations = field(given, "images", list), field(given, "annotations", list)
    categories = _categories(field(given, "categories", list), annotations)
    marks: dict[Any, list[Mark]] = defaultdict(list)
    for place, one in enumerate(annotations):
        try:
            number = _key(one["image_id"])
            name = categories[_key(one["category_id"])]
            mark = _mark(one, name)
        except KeyError as error:
            raise Damaged(f"annotation {place + 1}: {_missing(error, one)}") from None
        except (ValueError, TypeError, OverflowError) as error:
            raise Damaged(f"annotation {place + 1}: {error}") from None
        marks[number].append(mark)
    split = split_in(source)
    sheets = []
    for place, one in enumerate(images):
        if not isinstance(one, Mapping) or not isinstance(one.get("file_name"), str) or "id" not in one:
            raise Damaged(f"image {place + 1} has no id or no file_name")
        found = tuple(marks.pop(_key(one["id"]), ()))
        sheets.append(Sheet(one["file_name"], found, _size(one), split, source))
    notes = []
    if marks:
        lost = sum(map(len, marks.values()))
        text = f"{words.count(lost, 'annotation')} with an image_id that no image of the file has: left out"
        notes.append(Note("HS335", printable(source), text))
    return Written(tuple(sheets), tuple(dict.fromkeys(categories.values())), tuple(notes))


def _key(number: Any) -> Any:
    """An id as it is compared: some programs write numbers as texts."""
    return str(number) if isinstance(number, int | str) and not isinstance(number, bool) else _none(number)


def _none(number: Any) -> Any:
    raise ValueError(f"{str(number)[:40]!r} is no id")


def _missing(error: KeyError, one: Any) -> str:
    name = error.args[0]
    if name in ("image_id", "category_id", "bbox"):
        return f"{name} is missing"
    return f"category_id is {one['category_id']!r}, which no category has"


def _categories(given: list[Any], annotations: list[Any]) -> dict[str, str]:
    """Id -> name, in the order of the ids, without the group that some programs list as the first of its own
    categories."""
    found: dict[str, str] = {}
    groups = {str(one.get("supercategory")) for one in given if isinstance(one, Mapping)}
    used = {
        _key(one["category_id"]) for one in annotations if isinstance(one, Mapping) and "category_id" in one
    }
    for place, one in enumerate(given):
        if not isinstance(one, Mapping) or "id" not in one or not isinstance(one.get("name"), str):
            raise Damaged(f"category {place + 1} has no id or no name")
        key, name = _key(one["id"]), one["name"].strip()
        group = name in groups and key not in used and str(one.get("supercategory")) in ("none", "None", "")
        if not (group and len(given) > 1):
            found[key] = name
    order = sorted(found, key=lambda key: (len(key), key) if key.isdecimal() else (0, ""))
    return {key: found[key] for key in order}


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    good = all(isinstance(side, int | float) and 0 < side < math.inf for side in (width, height))
    return (int(width), int(height)) if good else None  # type: ignore[arg-type]


def _mark(one: Mapping[str, Any], name: str) -> Mark:
    shape = one.get("segmentation") or None
    if isinstance(shape, list) and shape and not isinstance(shape[0], list):
        shape = [shape]
    if "bbox" not in one and shape is None:
        raise KeyError("bbox")
    box = one["bbox"] if one.get("bbox") else None
    corners = _corners(box) if box is not None else _of_shape(shape)
    return Mark(name, corners, bool(one.get("iscrowd", 0)), shape)


def _corners(box: Any) -> Corners:
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(f"bbox is {str(box)[:60]}, not [left, top, width, height]")
    left, top, width, height = map(float, box)
    return left, top, left + width, top + height


def _of_shape(shape: Any) -> Corners:
    if isinstance(shape, list):
        return around([float(number) for polygon in shape for number in polygon])
    return rle.around(rle.decoded(shape))
