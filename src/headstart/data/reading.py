"""What the user said about how to read the data, and small words that all readers share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION
from headstart.errors import BadOption, PathError

KINDS = (CLASSIFICATION, MULTILABEL, REGRESSION)

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names of splits as people write them (in lower case) -> as a data set holds them."""

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "icon\r", "lost+found"}


@dataclass(frozen=True)
class Reading:
    """The options of `headstart.data.load`."""

    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    task: str | None = None
    labels: Any = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in KINDS:
            raise BadOption("task", self.task, f"one of {', '.join(KINDS)}")

    @property
    def names_columns(self) -> bool:
        """Whether columns of a table were named: then there must be a table."""
        return any((self.path_column, self.label_column, self.split_column, self.group_column))


def natural(text: str) -> tuple[Any, ...]:
    """A sort key by which "img2" comes before "img10"."""
    parts = re.split(r"(\d+)", text)
    return (tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts), text)


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
    from headstart.errors import near

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
