"""What the user said about how to read the data, and small words that all readers share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Any
from unicodedata import decimal

from headstart.core.source import Levels
from headstart.errors import BadOption, PathError, UnknownName, near
from headstart.tasks import TASKS

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
          "dev": "val", "test": "test", "testing": "test"}  # fmt: skip
"""Names of splits as people write them (in lower case) -> as a data set holds them."""

FOLDERS = "folders"
"""What `domain` says where each domain is a folder, with its classes inside."""

EVERY = "*"
"""What `feature_column` says where rows are meant, with all columns."""
UNLABELLED = {"unlabelled", "unlabeled", "unsup"}
"""Folders whose items have no label: beside the splits, or beside the classes of a split."""

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ".feather", ".arrow",
          ".xlsx", ".xlsm", ".xls", ".ods")  # fmt: skip
"""Endings of tables."""
PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Endings of a table that is packed by itself, after its own."""
ARCHIVES = (".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", *(f".tar{ending}" for ending in PACKED))
"""Endings of what is read as a folder is."""
ADDRESSES = ("http://", "https://", "ftp://", "s3://", "gs://", "hf://")
"""How names of things on the net begin."""
NOT_FETCHED = "addresses are not fetched: download it first"
_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "icon\r", "lost+found"}


@dataclass(frozen=True)
class Reading:
    """The options of `headstart.data.load`, which says what they mean."""

    path_column: str | None = None
    text_column: str | None = None
    pair_column: str | None = None
    label_column: str | Sequence[str] | None = None
    """Several are one label each, with 0 or 1 in their rows."""
    split_column: str | None = None
    group_column: str | None = None
    domain: str | None = None
    """A column, or `FOLDERS`."""
    task: str | None = None
    labels: Any = None
    name: str | None = None
    missing: Sequence[str] | None = None
    items_only: bool = False
    white: Any = None
    rate: int | None = None
    unlabelled: Any = None
    feature_column: str | Sequence[str] | None = None
    """Each row of a table is an item: of these columns, or of all (`EVERY`) that are worth it."""
    known: tuple[str, ...] = ()
    """The labels of the model that the data are to be compared with; no option of a user's."""

    def __post_init__(self) -> None:
        label, missing = self.label_column, self.missing
        if self.feature_column is not None:
            own = self.feature_column
            several = (own,) if isinstance(own, str) else tuple(dict.fromkeys(own))
            object.__setattr__(self, "feature_column", several or None)
            if several and (other := self.path_column or self.text_column or self.pair_column):
                allowed = "left out where feature_column is given: an item is a row, or what one column holds"
                raise BadOption("text_column", other, allowed)
        if not (label is None or isinstance(label, str)):
            several = tuple(dict.fromkeys(label))
            one = next(iter(several), None)
            object.__setattr__(self, "label_column", several if len(several) > 1 else one)
        if missing is not None:
            marks = (missing,) if isinstance(missing, str) or not isinstance(missing, Iterable) else missing
            object.__setattr__(self, "missing", tuple(map(str, marks)))
        if isinstance(self.labels, Iterator):  # it can be asked once only
            object.__setattr__(self, "labels", list(self.labels))
        levels_of(self.white)
        if self.task is not None and self.task not in TASKS:
            raise BadOption("task", self.task, f"one of {', '.join(TASKS)}")
        if self.path_column is not None and (texts := self.text_column or self.pair_column):
            allowed = "left out where path_column is given: an item is one or the other"
            raise BadOption("text_column", texts, allowed)
        if self.pair_column is not None and self.pair_column == self.text_column:
            raise BadOption("pair_column", self.pair_column, "another column than text_column")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Reading:
        """Keyword arguments of `load`. Raises `UnknownName` for one that does not exist."""
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise UnknownName("option for reading data", name, known)
        return cls(**options)

    @property
    def of_items(self) -> Reading:
        """What is said of items alone."""
        labels: dict[str, Any] = dict.fromkeys(
            ("label_column", "split_column", "group_column", "domain", "task", "labels", "name", "unlabelled")
        )
        return replace(self, **labels, items_only=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that were named: where there are any, there must be a table."""
        named = (self.path_column, self.text_column, self.pair_column)
        domain = None if self.domain == FOLDERS else self.domain
        others = (*self.label_columns, self.split_column, self.group_column, domain)
        return tuple(name for name in (*named, *others, *self.features) if name is not None)

    @property
    def features(self) -> tuple[str, ...]:
        """The columns of rows that were named."""
        return tuple(name for name in self.feature_column or () if name != EVERY)

    @property
    def marks(self) -> dict[str, Any]:
        """What tells labels from none: the texts that are none, and the labels that are known beforehand."""
        return {"missing": self.missing, "known": self.known}

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Those that were named: none, one, or one for each label."""
        one = self.label_column
        return () if one is None else (one,) if isinstance(one, str) else tuple(one)


def levels_of(white: Any) -> Levels | None:
    """What `white` says: 4095, or (-1024, 3071) for what is black and what is white; the same in text, with a
    colon.

    Raises `BadOption` for anything else.
    """
    if white is None:
        return None
    parts = (
        white.split(":") if isinstance(white, str) else white if isinstance(white, tuple | list) else [white]
    )
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    black, top = (0.0, *numbers) if len(numbers) == 1 else numbers if len(numbers) == 2 else (0.0, 0.0)
    if not -inf < black < top < inf:
        allowed = "the value that is white, such as 4095, or black and white, such as -1024:3071"
        raise BadOption("white", white, allowed)
    return black, top


def white_text(levels: Levels) -> str:
    """Levels as an option says them: "4095", "-1024:3071"."""
    black, white = (f"{value:.12g}" for value in levels)
    return white if levels[0] == 0 else f"{black}:{white}"


def split_in(path: str) -> str:
    """The split that a file's name tells, or else the folder it lies in: "train-00000-of-00002.parquet", say.

    "" where it tells none, or several.
    """
    for part in reversed(path.split("/")):
        found = {SPLITS[word] for word in re.split(r"[^a-z]+", part.lower()) if word in SPLITS}
        if found:
            return found.pop() if len(found) == 1 else ""
    return ""


def natural(text: str) -> tuple[Any, ...]:
    """A sort key by which "img2" comes before "img10"."""
    parts = re.split(r"(\d+)", text)  # numbers stand at the odd places: like is compared with like
    return (tuple(_digits(part) if place % 2 else (-1, part) for place, part in enumerate(parts)), text)


def _digits(part: str) -> tuple[int, str]:
    """How long a number is, and its digits: in order without being made an int, which has a limit."""
    digits = part if part.isascii() else "".join(str(decimal(sign)) for sign in part)
    digits = digits.lstrip("0")
    return len(digits), digits


def is_junk(name: str) -> bool:
    """Hidden files and what operating systems leave behind."""
    return name.startswith(".") or name.lower() in _JUNK


def as_path(data: object) -> Path | None:
    """The path that `data` means, if it means one. Raises `PathError` for the home of nobody."""
    if isinstance(data, str):
        try:
            return Path(data).expanduser()
        except RuntimeError:
            user = data.partition("/")[0]
            raise PathError(data, f"there is no user {user[1:]!r}", f"write ./{data} for a file") from None
    return data if isinstance(data, Path) else None


def existing(path: Path) -> Path:
    """The path if it is there. Raises `PathError` with a near name otherwise."""
    try:
        if path.exists():
            return path
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError as error:
        raise PathError(path, f"cannot be read: {error.strerror or error}") from None
    hint = near(path.name, siblings).removeprefix("; ")
    raise PathError(path, "there is no such file or folder", hint)


def printable(name: str) -> str:
    """A file name that can be written down: bytes that are no UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def suffix_of(path: str) -> str:
    """The ending of the last part, in lower case: ".jpg"."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def without_ending(path: str) -> str:
    """The path without the ending of its last part, whatever its case."""
    return path[: len(path) - len(suffix_of(path))]


def bare(name: str) -> str:
    """The name of a column as they are compared: "Image Path" -> "imagepath"."""
    return re.sub(r"[\W_]", "", name.lower())


def is_table(name: str) -> bool:
    """By its ending, or by that under the ending of a packed file."""
    return table_ending(name) in TABLES


def table_ending(name: str) -> str:
    """The ending, in lower case, of a table as it is once unpacked: ".csv" for "data.csv.gz"."""
    ending = suffix_of(name)
    return suffix_of(name[: -len(ending)]) if ending in PACKED else ending


def archive_ending(name: str) -> str:
    """The ending, in lower case, of an archive: ".zip", ".tar.gz"; "" for what is none by its name."""
    found = [ending for ending in ARCHIVES if suffix_of(name) and name.lower().endswith(ending)]
    return max(found, key=len, default="")


def stem_of(name: str) -> str:
    """The name of a table or an archive without its endings."""
    ending = archive_ending(name) or suffix_of(name)
    ending = suffix_of(name[: -len(ending)]) + ending if ending in PACKED else ending
    return name[: len(name) - len(ending)] if ending else name
