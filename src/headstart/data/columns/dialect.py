"""What stands around the rows of a .csv or .tsv, and what parts its cells.

Programs write a line that declares the separator, comments and a title above the names of the columns, and
totals below the rows. All of it is left out, and told; what might as well be a row is kept.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from headstart.data.columns import is_usual

SEPARATORS = (",", ";", "\t", "|")
"""Between the cells of a .csv file; one with a comma in its first row has commas."""
_ENDS = ("\r", "\u2028", "\x85")
"""What ends the lines of a file that has no other ends: that of old Macintoshes, and two of Unicode."""
_DECLARED = re.compile(r"""["']?sep=(\\t|tab|[^\w\s"'\\]|\t| )?["']?[,;\t|]*\s*""", re.IGNORECASE)
_MOST_ABOVE = 20
_FOOTER = re.compile(
    r"""\s*(\#|--|\(\s*\d+\s+rows?|\d+\s+(rows?|records?|lines|entries)\b|(grand\s+)?totals?\b|sum\b|count\b|
    (n|rows?|records?)\s*[:=]\s*\d|end\s+of\b|eof\b|source\s*:|generated\b|exported\b|page\s+\d)""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Dialect:
    """The lines from the names of the columns to the last row, and how they are read."""

    content: str
    separator: str
    above: int = 0
    """Lines that were left out above."""
    said: tuple[tuple[str, str], ...] = ()
    """(code of a finding, what is to be said) of what was left out."""


def of(content: str, separator: str = "") -> Dialect:
    """The dialect of a file; `separator` where the ending of its name tells it. Raises `ValueError`."""
    if "\n" not in content and (end := next((mark for mark in _ENDS if mark in content), "")):
        content = content.replace(end, "\n")
    content = content.replace("\r\r\n", "\n")
    lines = content.split("\n")
    said: list[tuple[str, str]] = []
    declared, above = _read_above(lines, said)
    first = lines[above] if above < len(lines) else ""
    separator = declared or separator or separator_of(first)
    title = _titles(lines[above:], separator)
    if title is not None:
        said.append(("HS510", f"line {above + 1} ({first.strip()[:60]!r}) is no row of names: left out"))
        above, separator = above + title[0], declared or title[1]
    below = _read_below(lines, above, separator, said)
    return Dialect("\n".join(lines[above:below]), separator, above, tuple(said))


def separator_of(line: str) -> str:
    """What parts the cells of a line."""
    bare = re.sub(r'"[^"]*"', "", line)
    return next((mark for mark in SEPARATORS if mark in bare), ",")


def _read_above(lines: list[str], said: list[tuple[str, str]]) -> tuple[str, int]:
    """(the separator that a line declares, how many lines stand above the names of the columns)."""
    declared, above, comments = "", 0, []
    for number, line in enumerate(lines[:_MOST_ABOVE]):
        text = line.strip(" \r\ufeff")
        found = _DECLARED.fullmatch(text) if not declared else None
        if found is not None and text:
            mark = found[1] or next((mark for mark in SEPARATORS if text.endswith(mark)), "")
            declared = "\t" if mark.lower() in ("\\t", "tab") else mark
            said.append(("HS509", f"line {number + 1} declares the separator: {text!r}"))
        elif text.startswith("#") and not _names_in_comment(text, lines[number + 1 :]):
            comments.append(number + 1)
        elif text:
            break
        above = number + 1
    if comments and above < len(lines):
        these = ", ".join(map(str, comments))
        which = f"lines {these} begin" if len(comments) > 1 else f"line {these} begins"
        said.append(("HS510", f"{which} with #: left out"))
        return declared, above
    return declared, above if declared else 0


def _names_in_comment(line: str, below: list[str]) -> bool:
    """Whether a line that begins with # names the columns: its cells do, those of the next line do not."""
    following = next((other for other in below if other.strip()), "")
    mark = separator_of(following or line)
    if any(map(is_usual, following.strip().split(mark))) and not following.startswith("#"):
        return False
    return any(map(is_usual, line.lstrip("# ").split(mark))) and not following.startswith("#")


def _titles(lines: list[str], separator: str) -> tuple[int, str] | None:
    """(how many lines of a title stand above the names of the columns, what parts those); or None.

    A title has one cell, and the line that follows has several, of which one is called as columns are.
    """
    rows = [line for line in lines[:_MOST_ABOVE] if line.strip()]
    if len(rows) < 3 or '"' in rows[0].strip('" \r') or any(map(is_usual, _cells(rows[0], separator))):
        return None
    own = separator_of(rows[0])
    if sum(bool(cell) for cell in _cells(rows[0], own)) != 1 and any(own in row for row in rows[1:]):
        return None
    for number, line in enumerate(lines[1:_MOST_ABOVE], start=1):
        mark = separator_of(line)
        cells = _cells(line, mark)
        if len([cell for cell in cells if cell]) > 1:
            return (number, mark) if any(map(is_usual, cells)) else None
    return None


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _read_below(lines: list[str], above: int, separator: str, said: list[tuple[str, str]]) -> int:
    """Where the rows end: below stand lines of one cell, after a blank line or beginning as totals do."""
    end = len(lines)
    if separator not in (lines[above] if above < end else ""):
        return end
    left: list[int] = []
    while end > above + 2 and len(left) < 5:
        line = lines[end - 1].strip()
        if line and (separator in line or '"' in line):
            break
        apart = not lines[end - 2].strip() and all(row.strip() for row in lines[above : end - 2][-50:])
        if line and not (_FOOTER.match(line) or apart):
            break
        left += [end] if line else []
        end -= 1
    if not left:
        return len(lines)
    shown = "; ".join(f"line {number} ({lines[number - 1].strip()[:60]!r})" for number in reversed(left))
    said.append(("HS510", f"{shown}: below the rows, and no row: left out"))
    return end
