"""Folders of images with boxes: recognised by their annotation files, and read into a data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headstart import tasks
from headstart.core.boxes import Boxed
from headstart.core.dataset import Dataset, Note
from headstart.core.task import DETECTION, Task
from headstart.core.words import count, few
from headstart.data.boxes import placing
from headstart.data.boxes.formats import FORMATS
from headstart.data.boxes.formats.written import Sheet, Written
from headstart.data.boxes.images import Images, outlines
from headstart.data.boxes.targets import Annotations
from headstart.data.folders.tree import Tree
from headstart.data.reading import Reading, natural, printable
from headstart.errors import DataError, near

BACKGROUNDS = frozenset({"__background__", "_background_"})
"""Names of what is no class."""


@dataclass(frozen=True)
class Found:
    """The annotation files of a tree."""

    form: str
    """A name in `FORMATS`."""
    files: tuple[str, ...]


def found_in(tree: Tree) -> Found | None:
    """The annotation files of a tree; None where there are none."""
    for form, module in FORMATS.items():
        if files := module.find(tree):
            return Found(form, tuple(files))
    return None


def wanted(reading: Reading) -> bool:
    """Whether the task that was asked for, if any, has boxes."""
    return reading.task is None or tasks.get(reading.task).predictions is Boxed


def refuse(tree: Tree) -> DataError:
    """The error where boxes were asked for, and there are none."""
    layouts = "; ".join(module.LAYOUT for module in FORMATS.values())
    return DataError(tree.origin, "there are no boxes that are read here", f"lay it out as one of: {layouts}")


def read(tree: Tree, found: Found, reading: Reading) -> Dataset:
    """A data set of images with boxes. Raises `DataError` for annotation files that are damaged, that name no
    image of the tree, or whose unit cannot be told."""
    written: Written = FORMATS[found.form].read(tree, found.files)
    images = Images(tree)
    sheets, notes = matched(tree, written, images)
    labels = labels_of(written, reading, tree.origin)
    numbers = {label: number for number, label in enumerate(labels)}
    items = {path: tree.item(path) for path in images.paths}
    seen = dict(zip(sheets, outlines([items[path] for path in sheets]), strict=True))
    known = [(sheets[path], outline) for path, outline in seen.items() if outline is not None]
    frame = placing.Frame(
        placing.in_shares(written.sheets, written.shares, tree.origin), placing.turned_before(known)
    )
    placed = {path: placing.place(sheets[path], seen[path], numbers, frame) for path in sheets}
    boxes = [one.boxes if (one := placed.get(path)) is not None else None for path in images.paths]
    targets = Annotations(boxes, len(labels))
    rows = {path: row for row, path in enumerate(images.paths)}
    notes += [
        Note(code, printable(path), text, (rows[path],))
        for path, one in placed.items()
        for code, text in (one.told.items() if one is not None else ())
    ]
    notes += _unnamed(tree, images, sheets, rows)
    splits = np.array([sheets[path].split if path in sheets else "" for path in images.paths])
    return Dataset(
        name=reading.name or tree.name,
        modality="image",
        items=tuple(items.values()),
        task=Task(DETECTION, labels, "mAP50:95", higher_is_better=True),
        targets=targets,
        split=splits if (splits != "").any() else None,
        origin=tree.origin,
        notes=(
            *tree.notes,
            *_said(tree, found, targets, labels),
            *_framed(tree, seen, placed, frame),
            *notes,
        ),
    )


def matched(tree: Tree, written: Written, images: Images) -> tuple[dict[str, Sheet], list[Note]]:
    """Path of an image -> its sheet, in the order of the tree; and what is to be said.

    Raises `DataError` where no image that is named is there, or two files tell of one.
    """
    found: dict[str, Sheet] = {}
    missing: dict[str, list[str]] = defaultdict(list)
    for sheet in written.sheets:
        path = images.find(sheet.image, sheet.source, sheet.split)
        if path is None:
            missing[sheet.source].append(sheet.image)
        elif path not in found:
            found[path] = sheet
        elif found[path].source == sheet.source:
            found[path] = replace(sheet, marks=(*found[path].marks, *sheet.marks))
        else:
            both = " and ".join(printable(source) for source in (found[path].source, sheet.source))
            problem = f"{both} both tell of {printable(path)}"
            raise DataError(
                tree.origin, problem, "keep the one that is meant, or call them train, val and test"
            )
    if not found:
        source, names = next(iter(missing.items()), ("the annotation file", []))
        there = few(images.paths, 2, each=printable) if images.paths else "none"
        named = f"it names {few(names, 2, each=printable)}" if names else "it names none"
        problem = f"{printable(source)} names no image of this folder: {named}; there are {there}"
        raise DataError(tree.origin, problem, "put the images beside it, or mend the names")
    notes = [*written.notes]
    for source, names in missing.items():
        text = f"{count(len(names), 'image')} that it names missing: {few(names, 3, each=printable)}"
        notes.append(Note("HS335", printable(source), text))
    order = {path: place for place, path in enumerate(images.paths)}
    return dict(sorted(found.items(), key=lambda pair: order[pair[0]])), notes


def labels_of(written: Written, reading: Reading, where: str) -> tuple[str, ...]:
    """The classes: as they are listed, else in natural order; in the order of a model's, or as asked for.

    Raises `DataError` for one that is in none of those, and where there is no class.
    """
    marked = {mark.label for sheet in written.sheets for mark in sheet.marks}
    listed = dict.fromkeys(written.labels)
    labels = [
        name for name in (*listed, *sorted(marked - listed.keys(), key=natural)) if name not in BACKGROUNDS
    ]
    order = reading.known or tuple(map(str, reading.labels or ()))
    if order:
        strange = [name for name in labels if name not in order]
        if strange:
            whose = "the model does not know" if reading.known else "labels do not name"
            raise DataError(where, f"{whose} the class {strange[0]!r}{near(strange[0], order)}")
        return tuple(order)
    if not labels:
        raise DataError(where, "no box and no class is in the annotation files", "draw boxes first")
    return tuple(labels)


def _unnamed(
    tree: Tree, images: Images, sheets: Mapping[str, Sheet], rows: Mapping[str, int]
) -> Iterator[Note]:
    """Images of which no annotation file tells."""
    lost = [path for path in images.paths if path not in sheets]
    if lost:
        text = f"{count(len(lost), 'image')} no annotation names ({few(lost, 3, each=printable)}): read as"
        text += " without label, not as empty"
        yield Note("HS336", tree.origin, text, tuple(rows[path] for path in lost))


def _said(tree: Tree, found: Found, targets: Annotations, labels: Sequence[str]) -> Iterator[Note]:
    """What was read, and how masks are had of it."""
    counts = targets.counts()
    each = few([f"{name} {n:,}" for name, n in zip(labels, counts.sum(axis=0).tolist(), strict=True)], 6)
    text = (
        f"{found.form}: {count(int(counts.sum()), 'box', 'boxes')} on {count(len(counts), 'image')} ({each})"
    )
    yield Note("HS310", tree.origin, text)


def _framed(
    tree: Tree,
    seen: Mapping[str, placing.Outline | None],
    placed: Mapping[str, placing.Placed | None],
    frame: placing.Frame,
) -> Iterator[Note]:
    """How coordinates were read."""
    unit = "shares of width and height (0 to 1)" if frame.shares else "pixels"
    yield Note("HS310", tree.origin, f"boxes are in {unit}")
    turned = [path for path, outline in seen.items() if outline is not None and outline.turn is not None]
    if turned:
        why = "by the sizes that are written" if frame.stored is not None else "nothing tells otherwise"
        how = "of the file as stored: turned with it" if frame.stored else "of the upright image"
        text = f"{count(len(turned), 'image')} turned by EXIF ({few(turned, 2, each=printable)}): boxes are"
        yield Note("HS310", tree.origin, f"{text} {how} ({why})")
    scaled = [path for path, one in placed.items() if one is not None and one.scaled]
    if scaled:
        text = f"{count(len(scaled), 'image')} annotated at another size: boxes are scaled, such as those of"
        yield Note("HS337", tree.origin, f"{text} {printable(scaled[0])}")
