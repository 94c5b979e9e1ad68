"""Folders `images/` and `masks/` with like names, by themselves or in each of train, val and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Dataset, Item, Note
from headstart.core.maps import Maps
from headstart.core.task import SEGMENTATION
from headstart.core.untrusted import Damaged
from headstart.data.folders.tree import Tree
from headstart.data.masks import legend as legends
from headstart.data.masks.legend import Legend
from headstart.data.masks.targets import Masks, values_of
from headstart.data.reading import SPLITS, Reading, printable, suffix_of
from headstart.errors import DataError

IMAGES = frozenset({"images", "image", "imgs", "img", "jpegimages"})
MASKS = frozenset(
    {"masks", "mask", "annotations", "segmentations", "segmentationclass", "labels", "annot", "gt"}
)
MEANT = frozenset({"masks", "mask", "segmentations", "segmentationclass", "annot"})
"""Of these, names that nothing but masks has."""
ENDINGS = frozenset({".png", ".bmp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg"})
"""Of masks; a JPEG is told to be none."""
MARKS = ("_mask", "-mask", "_masks", "_label", "_labels", "_labelids", "_gt", "_seg", "_segmentation", "_l")
"""What the name of a mask may have more than that of its image."""


@dataclass(frozen=True)
class Pairs:
    """The files of a tree, by (split, name)."""

    images: Mapping[tuple[str, str], str]
    masks: Mapping[tuple[str, str], str]


def pairs_in(tree: Tree) -> Pairs | None:
    """The images and masks of a tree; None for a tree that is not laid out so."""
    endings = modalities.get("image").SUFFIXES
    images: dict[tuple[str, str], str] = {}
    masks: dict[tuple[str, str], str] = {}
    places = [PurePosixPath(path) for path in tree.paths]
    for path, place in zip(tree.paths, places, strict=True):
        folders = [part.lower() for part in place.parts[:-1]]
        kinds = [part for part in folders if part in IMAGES | MASKS]
        if len(kinds) != 1 or suffix_of(path) not in endings:
            continue
        split = next((SPLITS[part] for part in folders if part in SPLITS), "")
        at = folders.index(kinds[0])
        below = "/".join(part for part in place.parts[at + 1 : -1] if part.lower() not in SPLITS)
        own, mask = place.stem, kinds[0] in MASKS
        if mask and suffix_of(path) not in ENDINGS:
            continue
        (masks if mask else images).setdefault((split, f"{below}/{own}" if below else own), path)
    marked = {key: (key[0], _bare(key[1])) for key in masks}
    masks = {
        marked[key] if key not in images and marked[key] in images else key: p for key, p in masks.items()
    }
    both = len(images.keys() & masks.keys())
    below_folders = all("/" in path for path in tree.paths if suffix_of(path) in endings)
    return Pairs(images, masks) if both and below_folders and 2 * both >= len(masks) else None


def _bare(name: str) -> str:
    mark = next((mark for mark in MARKS if name.lower().endswith(mark)), "")
    return name[: len(name) - len(mark)] if mark else name


def read(tree: Tree, pairs: Pairs, reading: Reading) -> Dataset:
    """A data set of images with masks. Raises `DataError` for a file of classes that is none, and for masks
    that no file explains."""
    keys = list(pairs.images)
    found = {path: tree.item(path) for path in pairs.masks.values()}
    masks = [found[pairs.masks[key]] if key in pairs.masks else None for key in keys]
    legend = _legend(tree, [item for item in masks if item is not None])
    if reading.known:
        legend = legend.known(reading.known, tree.origin)
    methods = tasks.get(SEGMENTATION)
    notes = [*tree.notes, Note("HS310", tree.origin, f"images with masks of {legend.said()}")]
    notes += [
        Note("HS327", printable(path), "a mask, but there is no image of its name: left out")
        for key, path in pairs.masks.items()
        if key not in pairs.images
    ]
    splits = np.array([split for split, _ in keys])
    return Dataset(
        name=reading.name or tree.name,
        modality="image",
        items=tuple(tree.item(pairs.images[key]) for key in keys),
        task=methods.make_task(legend.labels),
        targets=Masks(masks, legend),
        split=splits if (splits != "").any() else None,
        origin=tree.origin,
        notes=tuple(notes),
    )


def wanted(reading: Reading) -> bool:
    """Whether the task that was asked for, if any, has masks."""
    return reading.task is None or tasks.get(reading.task).predictions is Maps


_PUT = "put each image's mask, a PNG of its name, into masks/, or give outlines: COCO JSON, say"


def refuse(tree: Tree) -> DataError:
    """The error where masks were asked for, and there are none."""
    return DataError(tree.origin, "there are no folders images/ and masks/ with files of like names", _PUT)


def check_lacking(tree: Tree) -> None:
    """Raises `DataError` where masks were meant and are missing: a folder of that name, beside one of images,
    is empty or holds no mask of any."""
    endings = modalities.get("image").SUFFIXES
    seen = [PurePosixPath(path) for path in tree.paths if suffix_of(path) in endings]
    beside = {kind.parent for one in seen for kind in one.parents if kind.name.lower() in IMAGES}
    empty = [PurePosixPath(note.where) for note in tree.notes if note.code == "HS502"]
    for folder in empty:
        if folder.name.lower() in MEANT and folder.parent in beside:
            raise DataError(
                tree.origin, f"the folder {printable(str(folder))}/ is empty: no image has a mask", _PUT
            )
    meant = [
        one
        for one in seen
        if any(kind.name.lower() in MEANT and kind.parent in beside for kind in one.parents)
    ]
    if meant:
        problem = f"no image has the name of a mask such as {printable(str(meant[0]))}"
        raise DataError(tree.origin, problem, "name each mask as its image, or put its image into images/")


def _legend(tree: Tree, masks: list[Item]) -> Legend:
    """From the file of classes nearest to the root, else from the ids that the masks hold."""
    listed = [
        path
        for path in tree.paths
        if PurePosixPath(path).stem.lower() in legends.FILES and suffix_of(path) in legends.ENDINGS
    ]
    if listed:
        path = min(listed, key=lambda one: (one.count("/"), one))
        return legends.of_file(printable(path), tree.item(path).read(), tree.origin)
    ids: Counter[int] = Counter()
    first = ""
    for item in masks:
        try:
            values = values_of(item.read())
        except (OSError, Damaged) as error:
            first = first or f" ({item.id}: {error})"
            continue  # the doctor tells
        if values.ndim == 3:
            if (values[..., :1] != values).any():
                problem = f"{item.id} is in colours, and no file tells which class each stands for"
                raise DataError(tree.origin, problem, "add classes.txt with lines such as: sky 128 128 128")
            values = values[..., 0]
        ids.update(np.unique(values).tolist())
        if len(ids) > 4 * legends.MOST_CLASSES:
            break
    if not ids:
        problem = f"none of the masks can be read{first}"
        raise DataError(tree.origin, problem, "save them as PNG with ids of classes")
    return legends.of_ids(sorted(ids), tree.origin)
