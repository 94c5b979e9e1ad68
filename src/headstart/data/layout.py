"""Folders as labels: class folders, with or without a level of splits above them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from headstart.core.dataset import Dataset, Note
from headstart.core.task import CLASSIFICATION
from headstart.data import labels
from headstart.data.reading import SPLITS, Reading, printable, suffix_of
from headstart.data.tree import Tree
from headstart.errors import BadOption, DataError
from headstart.modalities.image import SUFFIXES

UNLABELLED = {"unlabelled", "unlabeled"}
"""Folders beside the splits whose images have no label."""


@dataclass(frozen=True)
class Place:
    """What the folders above an image say about it."""

    split: str
    label: str | None


def is_image(path: str) -> bool:
    """By its ending; a file without one may be an image, so it is looked at."""
    return suffix_of(path) in SUFFIXES or suffix_of(path) == ""


def images_in(tree: Tree) -> tuple[list[str], list[Note]]:
    """The images of a tree, and a note for each file that is left out."""
    paths = [path for path in tree.paths if is_image(path)]
    other = [path for path in tree.paths if not is_image(path)]
    return paths, [Note("HS504", printable(path), "not an image by its ending: left out") for path in other]


def read_folders(tree: Tree, reading: Reading) -> Dataset:
    """A data set whose labels are the names of its folders."""
    if reading.task not in (None, CLASSIFICATION):
        raise BadOption("task", reading.task, "classification: folders name classes; others need a table")
    paths, left_out = images_in(tree)
    if not paths:
        found = f"{len(tree.paths)} other files" if tree.paths else "it is empty"
        raise DataError(
            tree.origin,
            f"there are no images here ({found})",
            "give a folder with one folder of images a class",
        )
    strip = common_depth(paths)
    below = [PurePosixPath(path).parts[strip:] for path in paths]
    level = has_split_level({parts[0] for parts in below if len(parts) > 1})
    if level:
        beside = [path for path, parts in zip(paths, below, strict=True) if outside(parts)]
        left_out += [
            Note("HS504", printable(path), "lies beside the folders of the splits: left out")
            for path in beside
        ]
        paths = [path for path, parts in zip(paths, below, strict=True) if not outside(parts)]
        below = [parts for parts in below if not outside(parts)]
    places = [place(parts, level) for parts in below]
    names = [None if where.label is None else printable(where.label) for where in places]
    task, y, _ = labels.encode(
        names, where=tree.origin, kind=CLASSIFICATION, classes=reading.labels, missing=labels.NOTHING
    )
    split = np.array([where.split for where in places])
    notes = (*tree.notes, *left_out)
    if task is not None and any(name is None for name in names):
        loose = [path for path, name in zip(paths, names, strict=True) if name is None]
        notes = (
            *notes,
            *(Note("HS505", printable(path), "lies in no class folder: it has no label") for path in loose),
        )
    return Dataset(
        name=reading.name or tree.name,
        modality="image",
        items=tuple(tree.item(path) for path in paths),
        task=task,
        y=y,
        split=split if level else None,
        origin=tree.origin,
        notes=notes,
    )


def common_depth(paths: list[str]) -> int:
    """How many folders hold all the rest: data.zip/photos/cats/1.jpg has one, photos/.

    A folder that holds images itself is a class, and one named like a split is a split.
    """
    depth = 0
    parts = [PurePosixPath(path).parts for path in paths]
    while (
        all(len(p) > depth + 2 for p in parts)
        and len({p[depth] for p in parts}) == 1
        and parts[0][depth].lower() not in SPLITS
    ):
        depth += 1
    return depth


def class_folders(paths: list[str]) -> set[str]:
    """The folders that hold a class each, by their paths from the root; none where there is but one class."""
    strip = common_depth(paths)
    parts = [PurePosixPath(path).parts for path in paths]
    level = has_split_level({p[strip] for p in parts if len(p) > strip + 1})
    known = [(p, place(p[strip:], level).label) for p in parts if not (level and outside(p[strip:]))]
    if len({label for _, label in known if label is not None}) < 2:
        return set()
    return {"/".join(p[: strip + 1 + level]) for p, label in known if label is not None}


def has_split_level(tops: set[str]) -> bool:
    """Whether the top folders are splits. "train" alone beside other classes is a class (a vehicle)."""
    lower = {top.lower() for top in tops}
    splits = {SPLITS[top] for top in lower & SPLITS.keys()}
    return bool(splits) and (lower <= SPLITS.keys() | UNLABELLED or ("train" in splits and len(splits) > 1))


def outside(parts: tuple[str, ...]) -> bool:
    """Whether a path lies beside the splits, in a folder that is none."""
    return len(parts) > 1 and parts[0].lower() not in SPLITS.keys() | UNLABELLED


def place(parts: tuple[str, ...], level: bool) -> Place:
    """Split and label of a path. A file directly in a split folder, or in none, has no label."""
    if level and len(parts) > 1:
        top = parts[0].lower()
        if top in UNLABELLED:
            return Place("", None)
        return Place(SPLITS[top], parts[1] if len(parts) > 2 else None)
    return Place("", parts[0] if len(parts) > 1 and not level else None)
