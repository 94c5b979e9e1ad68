"""Annotation files laid on the images of a tree: which sheet is whose, which classes there are, what unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from headstart.core.dataset import Dataset, Item, Note
from headstart.core.targets import Targets
from headstart.core.task import Task
from headstart.core.words import count, few
from headstart.data.boxes.formats.written import Sheet, Written
from headstart.data.boxes.placing import corners, lists
from headstart.data.boxes.placing.images import Images, outlines
from headstart.data.folders.tree import Tree
from headstart.data.reading import Reading, natural, printable
from headstart.errors import DataError, near

BACKGROUNDS = frozenset({"__background__", "_background_"})
"""Names of what is no class."""


@dataclass(frozen=True)
class Laid:
    """What is known of the images of a tree."""

    items: Mapping[str, Item]
    """By the path of each image, in order."""
    sheets: Mapping[str, Sheet]
    """Of the images that annotations tell of, in that order."""
    labels: tuple[str, ...]
    seen: Mapping[str, corners.Outline | None]
    """Of each sheet's image; None for one that cannot be read."""
    frame: corners.Frame
    notes: tuple[Note, ...]

    @property
    def numbers(self) -> dict[str, int]:
        """Of the classes."""
        return {label: number for number, label in enumerate(self.labels)}

    @property
    def rows(self) -> dict[str, int]:
        """Of the images."""
        return {path: row for row, path in enumerate(self.items)}

    def dataset(self, tree: Tree, reading: Reading, task: Task, targets: Targets, *notes: Note) -> Dataset:
        """The images with their targets."""
        splits = np.array([self.sheets[path].split if path in self.sheets else "" for path in self.items])
        return Dataset(
            name=reading.name or tree.name,
            modality="image",
            items=tuple(self.items.values()),
            task=task,
            targets=targets,  # type: ignore[arg-type]
            split=splits if (splits != "").any() else None,
            origin=tree.origin,
            notes=(*tree.notes, *notes, *self.notes),
        )


def lay(tree: Tree, written: Written, reading: Reading) -> Laid:
    """Raises `DataError` for files that name no image of the tree, and where no unit can be told."""
    images = Images(tree)
    written = replace(written, sheets=tuple(lists.with_splits(tree, written.sheets)))
    sheets, notes = matched(tree, written, images)
    items = {path: tree.item(path) for path in images.paths}
    return on_items(tree, items, sheets, replace(written, notes=tuple(notes)), reading)


def on_items(
    tree: Tree, items: Mapping[str, Item], sheets: Mapping[str, Sheet], written: Written, reading: Reading
) -> Laid:
    """The same where it is known which sheet is whose."""
    seen = dict(zip(sheets, outlines([items[path] for path in sheets]), strict=True))
    known = [(sheets[path], outline) for path, outline in seen.items() if outline is not None]
    shares = corners.in_shares(written.sheets, expected=written.shares, where=tree.origin)
    frame = corners.Frame(shares, corners.turned_before(known))
    laid = Laid(items, sheets, labels_of(written, reading, tree.origin), seen, frame, ())
    return replace(laid, notes=(*written.notes, *_framed(tree, laid), *_unnamed(tree, laid)))


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


def _unnamed(tree: Tree, laid: Laid) -> Iterator[Note]:
    """Images of which no annotation file tells."""
    lost = [path for path in laid.items if path not in laid.sheets]
    if lost:
        rows = laid.rows
        text = (
            f"{count(len(lost), 'image')} that no annotation names ({few(lost, 3, each=printable)}): read as"
        )
        yield Note("HS336", tree.origin, f"{text} unlabelled", tuple(rows[path] for path in lost))


def _framed(tree: Tree, laid: Laid) -> Iterator[Note]:
    """To what images coordinates belong."""
    turned = [path for path, outline in laid.seen.items() if outline is not None and outline.turn is not None]
    if turned:
        stored = laid.frame.stored
        why = "by the sizes that are written" if stored is not None else "nothing tells otherwise"
        how = "belong to the files as stored, and are turned, too" if stored else "belong to upright images"
        text = f"{count(len(turned), 'image')} turned by EXIF ({few(turned, 2, each=printable)}): annotations"
        yield Note("HS310", tree.origin, f"{text} {how} ({why})")
    scaled = [
        path
        for path, outline in laid.seen.items()
        if outline is not None and corners.scaled(laid.sheets[path], outline, laid.frame)
    ]
    if scaled:
        size, image = laid.sheets[scaled[0]].size, laid.seen[scaled[0]]
        assert size is not None
        assert image is not None
        text = "{} x {}, and the image has {} x {}: scaled to it".format(*size, *image.size)
        for path in scaled:
            yield Note("HS337", printable(path), text)
