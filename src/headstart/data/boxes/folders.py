"""Folders of images with boxes: recognised by their annotation files, and read as boxes, or as masks that are
drawn of their outlines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from headstart import tasks
from headstart.core.boxes import Boxed
from headstart.core.dataset import Dataset, Item, Note
from headstart.core.maps import MOST_CLASSES
from headstart.core.task import DETECTION, SEGMENTATION
from headstart.core.words import count, few
from headstart.data.boxes import laying
from headstart.data.boxes.formats import FORMATS, coco
from headstart.data.boxes.formats.written import Sheet, Written
from headstart.data.boxes.placing import corners, drawn
from headstart.data.boxes.targets import Annotations
from headstart.data.folders.tree import Tree
from headstart.data.masks.legend import Legend
from headstart.data.masks.targets import Masks
from headstart.data.reading import Reading, printable
from headstart.errors import DataError

BACKGROUND = "background"
"""The class of places that no outline holds."""


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
    odd = next((path for path in tree.paths if coco.named(path)), "")
    why = f" ({printable(odd)} is no COCO JSON)" if odd else ""
    problem = f"there are no boxes that are read here{why}"
    return DataError(tree.origin, problem, f"lay it out as one of: {layouts}")


def read(tree: Tree, found: Found, reading: Reading) -> Dataset:
    """A data set of images with boxes. Raises `DataError` for annotation files that are damaged, that name no
    image of the tree, or whose unit cannot be told."""
    laid = laying.lay(tree, FORMATS[found.form].read(tree, found.files), reading)
    return boxes_of(tree, found.form, laid, reading)


def read_items(
    items: Mapping[str, Item], sheets: Mapping[str, Sheet], written: Written, reading: Reading, name: str
) -> Dataset:
    """The same of images that lie in no folder, by their ids, each with its sheet."""
    tree = Tree(name, name, tuple(items), items.__getitem__)
    return boxes_of(tree, "objects", laying.on_items(tree, items, sheets, written, reading), reading)


def boxes_of(tree: Tree, form: str, laid: laying.Laid, reading: Reading) -> Dataset:
    """The data set of boxes that were laid on images."""
    numbers, rows = laid.numbers, laid.rows
    placed = {
        path: corners.place(sheet, laid.seen[path], numbers, laid.frame)
        for path, sheet in laid.sheets.items()
    }
    boxes = [one.boxes if (one := placed.get(path)) is not None else None for path in laid.items]
    targets = Annotations(boxes, len(laid.labels))
    told = [
        Note(code, printable(path), text, (rows[path],))
        for path, one in placed.items()
        for code, text in (one.told.items() if one is not None else ())
    ]
    said = _said(tree, form, targets, laid)
    return laid.dataset(tree, reading, tasks.get(DETECTION).make_task(laid.labels), targets, *said, *told)


def _said(tree: Tree, form: str, targets: Annotations, laid: laying.Laid) -> Iterator[Note]:
    """What was read, and what else may be had of it."""
    counts = targets.counts()
    each = few(
        [f"{label} {n:,}" for label, n in zip(laid.labels, counts.sum(axis=0).tolist(), strict=True)], 6
    )
    number, images = count(int(counts.sum()), "box", "boxes"), count(len(counts), "image")
    unit = "as shares of width and height (0 to 1)" if laid.frame.shares else "in pixels"
    text = f"{form}: {number} {unit} on {images} ({each})"
    outlined = sum(mark.shape is not None for sheet in laid.sheets.values() for mark in sheet.marks)
    if outlined:
        text += f"; of {count(outlined, 'outline')} the boxes are read: for masks say --task {SEGMENTATION}"
    yield Note("HS310", tree.origin, text)


def read_masks(tree: Tree, found: Found, reading: Reading) -> Dataset:
    """A data set of images with masks that are drawn of outlines (polygons, or RLE). Raises `DataError` as
    `read` does, and where no object has an outline."""
    listed = replace(reading, known=(), labels=None)  # which name the background, too: outlines do not
    laid = laying.lay(tree, FORMATS[found.form].read(tree, found.files), listed)
    every = [mark for sheet in laid.sheets.values() for mark in sheet.marks]
    bare = sum(mark.shape is None for mark in every)
    if bare == len(every):
        problem = f"{found.form}: boxes without outlines (polygons, or RLE), of which no masks can be drawn"
        raise DataError(tree.origin, problem, f"say --task {DETECTION}, or draw outlines")
    labels = (BACKGROUND, *(label for label in laid.labels if label != BACKGROUND))
    if len(labels) > MOST_CLASSES:
        problem = f"{len(labels)} classes, more than {MOST_CLASSES}, which masks may have"
        raise DataError(tree.origin, problem, "leave out the rare ones")
    legend = Legend(labels, tuple(range(len(labels))), void=frozenset({drawn.VOID}))
    if reading.known:
        legend = legend.known(reading.known, tree.origin)
    numbers = {label: number for number, label in enumerate(labels)}
    masks = [
        drawn.mask(laid.items[path].id, laid.sheets[path], laid.seen[path], numbers, laid.frame)
        if path in laid.sheets
        else None
        for path in laid.items
    ]
    text = f"{found.form}: masks drawn of {count(len(every) - bare, 'outline')} of {len(labels) - 1} classes"
    if bare:
        text += f"; {count(bare, 'object')} with a box alone: void, which counts nowhere"
    task = tasks.get(SEGMENTATION).make_task(labels)
    return laid.dataset(tree, reading, task, Masks(masks, legend), Note("HS310", tree.origin, text))
