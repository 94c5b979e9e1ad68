"""YOLO: a text for each image, a line for each object: its class, centre and size as shares of the image."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from headstart import modalities
from headstart.core.dataset import Note
from headstart.core.untrusted import Damaged
from headstart.core.words import count
from headstart.data.boxes.formats.written import (
    Mark,
    Sheet,
    Written,
    around,
    folder_split,
    looked_at,
    one_each,
)
from headstart.data.folders.tree import Tree
from headstart.data.reading import printable, stem_of, suffix_of, without_ending
from headstart.errors import DataError

LAYOUT = "images/ and labels/ with a .txt for each image, and data.yaml or classes.txt (YOLO)"
FOLDERS = frozenset({"labels", "label"})
CLASSES = frozenset({"classes", "obj", "predefined_classes", "labels", "names"})
"""What lists of class names are called, as .txt or .names."""
YAML = (".yaml", ".yml")


def find(tree: Tree) -> list[str]:
    """The texts that are called as images are, where the first few hold rows of numbers."""
    endings = modalities.get("image").SUFFIXES
    stems = {without_ending(path).rpartition("/")[2] for path in tree.paths if suffix_of(path) in endings}
    whole = {without_ending(path) for path in tree.paths if suffix_of(path) in endings}
    texts = [
        path
        for path in tree.paths
        if suffix_of(path) == ".txt" and without_ending(path).rpartition("/")[2] in stems
    ]
    apart = [path for path in texts if FOLDERS & set(path.lower().split("/")[:-1])]
    beside = [path for path in texts if without_ending(path) in whole]
    for listed, loose in ((apart, True), (beside, False)):
        some = [data.split(b"\n") for _, data in looked_at(tree, listed)]
        lines = [line.split() for file in some for line in file if line.strip()]
        numbers = [bool(cells) and all(map(_is_number, cells)) for cells in lines]
        if (loose and listed and all(cells[0][:1].isdigit() for cells in lines)) or (
            lines and all(numbers) and all(len(cells) >= 5 for cells in lines)
        ):
            return listed
    return []


def _is_number(cell: bytes) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def read(tree: Tree, files: Sequence[str]) -> Written:
    """Raises `DataError` for a line that is none, and for the number of a class without a name."""
    names, named_by, points = _names(tree)
    sheets = one_each(
        tree, files, lambda data, path: of_lines(data.decode("utf-8-sig"), path, points=points), "YOLO text"
    )
    notes = []
    marks = [mark for sheet in sheets for mark in sheet.marks]
    numbers = sorted({int(mark.label) for mark in marks})
    first = 0
    if not names:
        text = "no data.yaml or classes.txt names the classes: they are called by their numbers"
        notes.append(Note("HS310", tree.origin, text))
        names = {number: str(number) for number in numbers}
    elif (
        numbers and numbers[-1] == len(names) and numbers[0] == 1 and sorted(names) == list(range(len(names)))
    ):
        first = 1
        text = f"classes are numbered from 1: 1 is {names[0]!r}, the first of {printable(named_by)}"
        notes.append(Note("HS310", tree.origin, text))
    for sheet in sheets:
        strange = next((mark.label for mark in sheet.marks if int(mark.label) - first not in names), None)
        if strange is not None:
            known = f"{printable(named_by)} names {', '.join(map(str, sorted(names)))}"
            problem = f"{printable(sheet.source)} has the class {strange}, which has no name: {known}"
            raise DataError(tree.origin, problem, "add its name, or mend the number")
    sheets = [
        replace(sheet, marks=tuple(m._replace(label=names[int(m.label) - first]) for m in sheet.marks))
        for sheet in sheets
    ]
    labels = tuple(names[number] for number in sorted(names))
    return Written(tuple(sheets), labels, tuple(notes), shares=True)


def of_lines(text: str, source: str = "", *, points: bool = False) -> Sheet:
    """The boxes of one image, labels are numbers of classes; with `points` a line goes on after the box with
    points of a pose. Raises `Damaged`."""
    marks = []
    for place, line in enumerate(text.splitlines()):
        cells = line.split()
        if not cells:
            continue
        try:
            number, *values = [float(cell) for cell in cells]
        except ValueError:
            raise Damaged(f"line {place + 1} holds {line.strip()[:40]!r}, no numbers alone") from None
        if number != int(number) or number < 0:
            raise Damaged(f"line {place + 1} begins with {cells[0]}, no number of a class")
        label = str(int(number))
        if len(values) == 4 or (points and len(values) > 4):
            across, down, width, height = values[:4]
            corners = (across - width / 2, down - height / 2, across + width / 2, down + height / 2)
            marks.append(Mark(label, corners))
        elif len(values) >= 6 and len(values) % 2 == 0:
            marks.append(Mark(label, around(values), shape=[values]))
        else:
            need = "a box has 5 (class, centre x, centre y, width, height), a polygon 7 or more"
            raise Damaged(f"line {place + 1} has {count(len(cells), 'number')}: {need}")
    name = without_ending(source)
    below = re.split(r"(?i)(?:^|/)labels?/", name)[-1]
    return Sheet(below, tuple(marks), None, folder_split(source), source)


def _names(tree: Tree) -> tuple[dict[int, str], str, bool]:
    """Number -> name, the file that says so, and whether it tells of poses."""
    for path in sorted(tree.paths, key=lambda one: (suffix_of(one) not in YAML, one.count("/"))):
        stem, ending = stem_of(path.rpartition("/")[2]).lower(), suffix_of(path)
        try:
            if ending in YAML:
                text = tree.item(path).read().decode("utf-8-sig", "replace")
                if found := of_yaml(text):
                    return found, path, bool(re.search(r"(?m)^kpt_shape\s*:", text))
            elif ending == ".names" or (ending == ".txt" and stem in CLASSES):
                lines = tree.item(path).read().decode("utf-8-sig", "replace").split("\n")
                named = [line.strip() for line in lines if line.strip()]
                if named:
                    return dict(enumerate(named)), path, False
        except OSError:
            continue
    return {}, "", False


def of_yaml(text: str) -> dict[int, str]:
    """What `names` says in a data.yaml: a list in brackets or in lines with "-", or numbers with names.

    Of YAML no more is read than such files use.
    """
    match = re.search(r"(?m)^names[ \t]*:[ \t]*(.*)$", text)
    if match is None:
        return {}
    first = re.sub(r"(^|\s)#.*$", "", match[1]).strip()
    if first:
        inner = text[match.start(1) :]
        closed = re.match(r"\s*([\[{])((?:'[^']*'|\"[^\"]*\"|[^'\"\]}])*)[\]}]", inner)
        cells = re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^,'\"])+", closed[2]) if closed else []
        return _numbered(cells, pairs=bool(closed) and closed[1] == "{") if closed else {}
    lines = []
    for line in text[match.end() :].split("\n"):
        bare = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if bare and not bare.startswith((" ", "\t", "-")):
            break
        if bare.strip():
            lines.append(bare.strip())
    dashes = all(line.startswith("-") for line in lines)
    return _numbered([line[1:] if dashes else line for line in lines], pairs=not dashes)


def _numbered(cells: Sequence[str], *, pairs: bool) -> dict[int, str]:
    if not pairs:
        return {number: _bare(cell) for number, cell in enumerate(cells) if _bare(cell)}
    split = [cell.partition(":") for cell in cells]
    return {int(key): _bare(name) for key, _, name in split if key.strip().isdecimal()}


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
