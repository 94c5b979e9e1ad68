"""Lists of images: which split each belongs to."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace

from headstart.data.boxes.formats.written import Sheet
from headstart.data.folders.tree import Tree
from headstart.data.reading import SPLITS, stem_of, suffix_of, without_ending

YOLO = frozenset({"labels", "label"})
"""Folders of texts that tell of objects: train.txt in one tells of train.jpg."""
BOTH = "trainval"
"""What training and validation are called together: it tells of those that the others do not name."""


def with_splits(tree: Tree, sheets: Sequence[Sheet]) -> list[Sheet]:
    """The sheets with the splits that lists tell: train.txt, val.txt, test.txt with a name a line, or
    splits.csv with a name and a split."""
    told: dict[str, str] = {}
    for name, split in _listed(tree):
        told.setdefault(_key(name), split)
    if not told:
        return list(sheets)
    return [replace(one, split=told.get(_key(one.image), one.split)) for one in sheets]


def _key(name: str) -> str:
    return without_ending(name.replace("\\", "/").rpartition("/")[2])


def _listed(tree: Tree) -> Iterator[tuple[str, str]]:
    """(name, split), those of `BOTH` last."""
    last: list[tuple[str, str]] = []
    for path in tree.paths:
        stem, ending = stem_of(path.rpartition("/")[2]).lower(), suffix_of(path)
        if ending == ".txt" and stem in {*SPLITS, BOTH} and not YOLO & set(path.lower().split("/")[:-1]):
            names = [line.split()[0] for line in _lines(tree, path) if line.strip()]
            if stem == BOTH:
                last += [(name, "train") for name in names]
            else:
                yield from ((name, SPLITS[stem]) for name in names)
        elif ending == ".csv" and stem in ("split", "splits"):
            for cells in csv.reader(_lines(tree, path)):
                found = [SPLITS[cell.strip().lower()] for cell in cells if cell.strip().lower() in SPLITS]
                if len(cells) > 1 and found:
                    yield cells[0].strip(), found[0]
    yield from last


def _lines(tree: Tree, path: str) -> list[str]:
    try:
        return tree.item(path).read().decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return []
