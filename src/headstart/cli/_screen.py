"""What reaches a terminal, another program or a spreadsheet: nothing in it is obeyed there."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.core.files import plain
from headstart.core.words import few, printable
from headstart.errors import PathError

_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What JSON leaves as it is and a terminal obeys, or turns around; and halves of characters."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_PLAIN = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")


def say(lines: Iterable[str]) -> None:
    """Lines on standard output."""
    sys.stdout.writelines(map(printable, lines))


def warn(*lines: str) -> None:
    """Lines on standard error."""
    sys.stderr.writelines(map(printable, lines))


def as_json(content: Any, *, indent: int | None = 2) -> str:
    """A JSON document; signs that nobody sees are told by their numbers."""
    text = json.dumps(plain(content), indent=indent, ensure_ascii=False, default=str)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> Iterator[str]:
    """Lines of a table, one a row; the columns `right` stand at their right edge."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip() + "\n"


def some_of(unreadable: Sequence[tuple[str, str]], *, most: int = 5) -> str:
    """The first few of the items that could not be read, each with its problem."""
    return few(unreadable, most, each=": ".join, apart="; ")


def writable(path: Path) -> Path:
    """The path of a file to write. Raises `PathError` where none can be."""
    if path.is_dir() or not path.parent.is_dir():
        raise PathError(path, "cannot be written", "name a file in a folder that exists")
    return path


@contextmanager
def bar(what: str, *, show: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr while somebody looks at it, moved by (done, total)."""
    if not show or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def say_json(content: Any) -> None:
    """One document on standard output."""
    sys.stdout.write(as_json(content) + "\n")


def csv_line(cells: Iterable[Any]) -> str:
    """A line of a table for spreadsheets too, where a text that begins with = + - @, a tab or a carriage return
    is a formula: it gets an apostrophe before it, and so does one that begins with apostrophes before such a
    sign, so that taking one off gives the text back. Numbers stay numbers."""
    buffer = io.StringIO()
    # a carriage return in a cell is only quoted where it could end a line
    csv.writer(buffer, lineterminator="\r\n").writerow([_harmless(cell) for cell in cells])
    return buffer.getvalue()[:-2] + "\n"


def _harmless(cell: Any) -> Any:
    if isinstance(cell, str) and _FORMULA.match(cell) and not _PLAIN.fullmatch(cell):
        return f"'{cell}"
    return cell
