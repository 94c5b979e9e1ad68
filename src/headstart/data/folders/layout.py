"""Folders as labels: class folders, with or without a level of splits above them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Dataset, Note
from headstart.core.task import CLASSIFICATION
from headstart.core.words import count, few
from headstart.data import labels
from headstart.data.folders.tree import Tree
from headstart.data.parts import domains as domains_of
from headstart.data.reading import SPLITS, UNLABELLED, Reading, printable, suffix_of, without_ending
from headstart.errors import BadOption, DataError, TextError
from headstart.modalities import text

ABOUT = {"readme", "license", "licence", "copying", "notice", "changelog", "authors", "contributing",
         "citation"}  # fmt: skip
"""Names of texts that tell of a data set and are no items of it, where they lie beside the classes."""
_START = re.compile(r"[^\W\d_]{2,}(?:[-_ ][^\W\d_]{2,})*(?=[-_. ]*\(?\d)")
"""Words at the beginning of a name that a number follows."""
_PEEKED = 8
_NO_TEXT = frozenset(range(9)) | frozenset(range(14, 27)) | frozenset(range(28, 32))
"""Bytes that no text has."""


@dataclass(frozen=True)
class Found:
    """The items of a tree, all of one modality."""

    modality: str
    paths: list[str]
    left_out: list[Note]


def items_in(tree: Tree) -> Found:
    """The images of a tree, or its texts if those are more, and a note for each file that is left out.

    A text that is named like an image beside it tells of that image.
    """
    among = {name: modalities.get(name).SUFFIXES for name in modalities.MODALITIES}
    listed = {name: [path for path in tree.paths if suffix_of(path) in own] for name, own in among.items()}
    texts = listed.pop("text")
    kind = max(listed, key=lambda name: len(listed[name]))
    files = listed[kind]
    bare = [path for path in tree.paths if suffix_of(path) == ""]
    stems = {without_ending(path) for path in files}
    own = [path for path in texts if without_ending(path) not in stems and not _tells(path)]
    if len(own) > len(files) and len(own) > len(bare):
        kind, paths = "text", [path for path in texts if not _tells(path)]
    elif files or not bare or not _are_texts(tree, bare):
        paths = [path for path in tree.paths if suffix_of(path) in among[kind] | {""}]
    else:
        kind, paths = "text", [path for path in tree.paths if path in {*bare, *texts} and not _tells(path)]
    kept = set(paths)
    return Found(kind, paths, [_left_out(path, kind) for path in tree.paths if path not in kept])


def _left_out(path: str, kind: str) -> Note:
    room = modalities.get(kind)
    known = room.NOT_READ.get(suffix_of(path))
    if known:
        return Note("HS218", printable(path), f"{known}: left out")
    tells = room.IN_WORDS and _tells(path)
    why = "tells of the data" if tells else f"not {modalities.one(kind)} by its ending"
    return Note("HS504", printable(path), f"{why}: left out")


def _tells(path: str) -> bool:
    return PurePosixPath(path).stem.lower() in ABOUT


def _are_texts(tree: Tree, paths: list[str]) -> bool:
    """Whether files without endings hold texts: most of the first few do."""
    good = 0
    some = paths[:: max(1, len(paths) // _PEEKED)][:_PEEKED]
    for path in some:
        try:
            data = tree.item(path).read()
            text.open_item(data)
        except (OSError, TextError):
            continue
        good += not _NO_TEXT & set(data[:4096])
    return good > len(some) / 2


def read_folders(tree: Tree, reading: Reading) -> Dataset:
    """A data set whose labels are the names of its folders."""
    if reading.task is not None and not tasks.get(reading.task).exclusive:
        raise BadOption("task", reading.task, "classification: folders name classes; others need a table")
    found = items_in(tree)
    paths, left_out = found.paths, found.left_out
    if not paths:
        raise DataError(
            tree.origin,
            f"there are no images here ({_what_else(tree)}), and no texts and recordings",
            "give a folder with one folder of images, of texts, or of recordings, a class",
        )
    strip = common_depth(paths)
    below = [PurePosixPath(path).parts[strip:] for path in paths]
    tops = [parts[0] if len(parts) > 1 else "" for parts in below] if reading.domain else []
    below = [parts[1:] if len(parts) > 1 else parts for parts in below] if tops else below
    level = has_split_level({parts[0] for parts in below if len(parts) > 1})
    if level:
        left_out += [
            Note("HS504", printable(path), "lies beside the folders of the splits: left out")
            for path, parts in zip(paths, below, strict=True)
            if outside(parts)
        ]
        paths = [path for path, parts in zip(paths, below, strict=True) if not outside(parts)]
        tops = [top for top, parts in zip(tops, below, strict=True) if not outside(parts)] if tops else tops
        below = [parts for parts in below if not outside(parts)]
    places = [place(parts, level) for parts in below]
    names = [None if label is None else printable(label) for _, label in places]
    classes, where = reading.labels, tree.origin
    task, y, told = labels.encode(
        names, where=where, kind=CLASSIFICATION, classes=classes, typed=True, **reading.marks
    )
    notes = [*tree.notes, *left_out, *told]
    if task is not None:
        notes += [
            Note("HS505", printable(path), "lies in no class folder: it has no label")
            for path, parts, name in zip(paths, below, names, strict=True)
            if name is None and not any(part.lower() in UNLABELLED for part in parts[:2]) and not tops
        ]
    notes += _inner(below, level, tree.origin) if task is not None else _told_by_names(paths, tree.origin)
    domains, domain_names = domains_of(tops)
    if tops:
        notes.append(_told_of_domains(tops, names, domain_names, tree.origin))
    return Dataset(
        name=reading.name or tree.name,
        modality=found.modality,
        items=tuple(tree.item(path) for path in paths),
        task=task,
        targets=y,
        split=np.array([split for split, _ in places]) if level else None,
        domains=domains,
        domain_names=domain_names,
        origin=tree.origin,
        notes=tuple(notes),
    )


def _told_of_domains(
    tops: list[str], labels: list[str | None], domains: tuple[str, ...], origin: str
) -> Note:
    """A note on the folders of domains. Raises `DataError` where there are not two of them, and for one whose
    classes are nobody else's: they are no classes, or no domain."""
    if len(domains) < 2:
        problem = f"{count(len(domains), 'folder')} of domains in it"
        raise DataError(
            origin, problem, "give a folder with one folder for each domain, and in these one for each class"
        )
    for domain in domains:
        own, others = (
            {label for top, label in zip(tops, labels, strict=True) if label and (top == domain) is inside}
            for inside in (True, False)
        )
        if own and not own & others:
            held = few(sorted(own), each=repr)
            problem = f"the domain {domain!r} shares no class with the others: it holds {held}"
            raise DataError(origin, problem, "put its items right into its folder where they have no label")
    return Note("HS506", origin, f"domains from its folders: {few(domains, each=repr)}")


def _what_else(tree: Tree) -> str:
    """What there is instead of items: what the first files are, where their first bytes tell it."""
    if not tree.paths:
        return "it is empty"
    other = f"{len(tree.paths)} other file{'s' if len(tree.paths) > 1 else ''}"
    kinds, rooms = {}, [room for name in modalities.MODALITIES if not (room := modalities.get(name)).IN_WORDS]
    for path in tree.paths[:_PEEKED]:
        try:
            data = tree.item(path).read()
            kinds[next((kind for room in rooms if (kind := room.kind_of(data))), "")] = path
        except (OSError, DataError):
            continue
    told = [f"{printable(path)} is {kind}" for kind, path in kinds.items() if kind]
    return f"{other}; {'; '.join(told)}" if told else other


def _inner(below: list[tuple[str, ...]], level: bool, origin: str) -> list[Note]:
    """A note on the folders inside of class folders: their names are in no label."""
    inner = dict.fromkeys("/".join(parts[level : 2 + level]) for parts in below if len(parts) > 2 + level)
    if not inner:
        return []
    classes = {name.partition("/")[0] for name in inner}
    shown = few([*inner], each=printable)
    text = f"{count(len(inner), 'folder')} inside of {count(len(classes), 'class folder')}, read as"
    return [Note("HS513", origin, f"{text} part{'s' * (len(inner) > 1)} of the class above: {shown}")]


def _told_by_names(paths: list[str], origin: str) -> list[Note]:
    """A note where the names of files without labels begin as if they held them: cat.0.jpg, dog.1.jpg."""
    names = [PurePosixPath(path).name for path in paths]
    if sum("\\" in name for name in names) > len(names) / 2:
        text = f"no labels; the names of the files hold \\ in place of folders ({names[0]!r})"
        return [Note("HS301", origin, f"{text}: unpack their archive again, or give the archive itself")]
    starts = Counter(start[0].strip("-_. ").lower() for name in names if (start := _START.match(name)))
    if len(starts) < 2 or starts.total() < len(names) or min(starts.values()) < 2:
        return []
    shown = ", ".join(f"{start!r} ({number})" for start, number in starts.most_common(5))
    more = ", ..." if len(starts) > 5 else ""
    text = f"no labels; the names of the files begin with {printable(shown)}{more}"
    return [Note("HS301", origin, f"{text}: if those are classes, move the files into a folder for each")]


def common_depth(paths: list[str]) -> int:
    """How many folders hold all the rest: data.zip/photos/cats/1.jpg has one, photos/.

    A folder that holds items itself is a class, and one named like a split is a split.
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
    known = [(p, place(p[strip:], level)[1]) for p in parts if not (level and outside(p[strip:]))]
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


def place(parts: tuple[str, ...], level: bool) -> tuple[str, str | None]:
    """(split, label) of a path. A file directly in a split folder, or in none, has no label."""
    if level and len(parts) > 1:
        top = parts[0].lower()
        if top in UNLABELLED:
            return "", None
        labelled = len(parts) > 2 and parts[1].lower() not in UNLABELLED
        return SPLITS[top], parts[1] if labelled else None
    return "", parts[0] if len(parts) > 1 and not level else None
