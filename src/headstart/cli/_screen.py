"""What reaches a terminal, another program or a spreadsheet: nothing in it is obeyed there."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from headstart.core.files import plain
from headstart.core.words import printable

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
