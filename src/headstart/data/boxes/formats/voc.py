"""Pascal VOC: an XML file for each image, and lists of the images of each split."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from xml.etree.ElementTree import Element

from headstart.core.untrusted import Damaged
from headstart.data.boxes.formats.markup import parsed, text_at
from headstart.data.boxes.formats.written import (
    Corners,
    Mark,
    Sheet,
    Written,
    folder_split,
    looked_at,
    one_each,
)
from headstart.data.folders.tree import Tree
from headstart.data.reading import suffix_of, without_ending

LAYOUT = "JPEGImages/ and Annotations/ with an XML for each image (Pascal VOC)"


def find(tree: Tree) -> list[str]:
    """All XML files of a tree, where the first few show that they are of VOC."""
    listed = [path for path in tree.paths if suffix_of(path) == ".xml"]
    of_it = any(
        b"<annotation>" in data or b"<annotation " in data or b"<bndbox" in data
        for _, data in looked_at(tree, listed)
    )
    return listed if of_it else []


def read(tree: Tree, files: Sequence[str]) -> Written:
    """Raises `DataError` for a file that is damaged."""
    sheets = one_each(tree, files, of_xml, "Pascal VOC XML")
    return Written(tuple(sheets))


def of_xml(data: bytes, source: str = "") -> Sheet:
    """The boxes of one image. Raises `Damaged`, `ValueError`.

    The image is called as the XML is: the name inside is often that of another computer.
    """
    root = parsed(data)
    if root.tag != "annotation":
        raise Damaged(f"it is <{root.tag}>, not <annotation>")
    marks = [_mark(place, one) for place, one in enumerate(root.iter("object"))]
    name = without_ending(source) if source else text_at(root, "filename")
    size = None
    with suppress(ValueError):
        width, height = (int(float(text_at(root, f"size/{side}"))) for side in ("width", "height"))
        size = (width, height) if width > 0 and height > 0 else None
    return Sheet(name.rpartition("/")[2], tuple(marks), size, folder_split(source), source)


def _mark(place: int, one: Element) -> Mark:
    try:
        corners: Corners = tuple(float(text_at(one, f"bndbox/{side}")) for side in _SIDES)  # type: ignore[assignment]
        difficult = (one.findtext("difficult") or "0").strip() not in ("0", "", "Unspecified")
        return Mark(text_at(one, "name"), corners, difficult)
    except ValueError as error:
        raise Damaged(f"object {place + 1}: {error}") from None


_SIDES = ("xmin", "ymin", "xmax", "ymax")
