"""Several labels in a cell: lists, texts that were written from lists, separators, and lists of 0 and 1."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from headstart.core.words import few
from headstart.data.labels.values.column import Cell, Column, normal, shown, text_of
from headstart.data.labels.values.numbers import plain
from headstart.errors import DataError

Sets = list[list[str] | None]
"""For each item its labels; None where nothing is known of it."""

SURE = re.compile(r"[|]|(?<!&amp)(?<!&lt)(?<!&gt)(?<!&quot)(?<!&nbsp)(?<!&apos)(?<!&#39);")  # no entities
"""Part labels wherever they are."""
COMMA = re.compile("[,\u3001\uff0c\uff1b\n]")
"""Part labels where the parts recur by themselves and in other company."""
BLANK = re.compile(r"\s+")
LIKELY = (re.compile("/"), re.compile(r"\+"), re.compile("&"), BLANK)
"""Names of classes often hold these: where the parts recur it is told, and done for task "multilabel"."""
LOOKED_AT = 2000
"""Different cells by which it is judged whether parts recur."""
MUCH = 3
"""Cells beyond which a part is in much company."""
MARKS = {SURE: '";" or "|"', COMMA: "commas", BLANK: "blanks"}

YES, NO = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no"})
"""In lists and in columns for one label each (in lower case). -1 is no where nothing is 0."""
ALSO_YES, ALSO_NO = frozenset({"y", "t", "x"}), frozenset({"n", "f"})
"""In columns alone."""

_WRAPPED = re.compile(
    r"(?:np\.|numpy\.)?(?:array|tensor|list|tuple|set|frozenset)\((.*?)(?:,\s*dtype=[\w.']+)?\)", re.DOTALL
)
_SCALAR = re.compile(r"np\.\w+\(('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^()'\"]*)\)")
_TOKEN = re.compile(
    r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(,)|([^\s,'"\[\](){}][^,'"\[\](){}]*))\s*""", re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|True|False|true|false|None|null|nan|NaN")


class Listed(NamedTuple):
    """A list that was written as text."""

    entries: list[str | None]
    literal: bool
    """Whether its entries are in quotes, or numbers: what a program writes."""


def listed(cell: Cell) -> Listed | None:
    """The list that a text shows, as Python, JSON or numpy write it; None for other texts."""
    text = cell if isinstance(cell, str) else ""
    wrapped = _WRAPPED.fullmatch(text)
    text = wrapped[1].strip() if wrapped else text
    if not text and wrapped:
        return Listed([], literal=True)
    if len(text) < 2 or (text[0], text[-1]) not in (("[", "]"), ("(", ")"), ("{", "}")):
        return None
    tokens = _tokens(_SCALAR.sub(r"\1", text[1:-1]))
    if tokens is None:
        return None
    parted = any(kind == "comma" for kind, _ in tokens)
    bare = [value for kind, value in tokens if kind == "bare"]
    numbers = [value.split() for value in bare]
    literal = all(_NUMBER.fullmatch(value) for some in numbers for value in some)
    if text[0] != "[" and not literal:
        return None
    entries: list[str | None] = []
    for kind, value in tokens:
        if kind == "quoted":
            entries.append(normal(value))
        elif kind == "bare":
            entries += map(_bare, value.split() if literal and not parted else [value])
    return Listed(entries, literal=literal)


def _tokens(inner: str) -> list[tuple[str, str]] | None:
    found, place = [], 0
    inner = inner.strip()
    while place < len(inner):
        token = _TOKEN.match(inner, place)
        if token is None or token.end() == place:
            return None
        place = token.end()
        if token[3]:
            found.append(("comma", ","))
        elif token[4] is not None:
            found.append(("bare", token[4].strip()))
        else:
            found.append(("quoted", _unescaped(token[1] if token[1] is not None else token[2])))
    return found


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def sign(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        if code is None:
            return _LETTERS.get(found[4], found[4])
        return chr(min(int(code, 16), 0x10FFFF))

    # two halves of one letter, as JSON writes those beyond the first plane
    return _ESCAPE.sub(sign, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _bare(value: str) -> str | None:
    if value.lower() in ("none", "null", "nan"):
        return None
    try:
        return text_of(float(value)) if "." in value and _NUMBER.fullmatch(value) else normal(value)
    except (ValueError, OverflowError):
        return normal(value)


def lists_in(cells: Sequence[Cell], column: Column, *, asked: bool) -> Mapping[str, list[str | None]]:
    """Text -> the entries of the list that it shows, if the cells show lists; else nothing.

    They do if all of them are lists: in brackets, and with quotes, numbers or commas in them. Raises
    `DataError` if only some are; where several labels were `asked` for, the others are then read as they are.
    """
    texts = list(dict.fromkeys(cell for cell in cells if isinstance(cell, str)))
    found = {text: shows for text in texts if (shows := listed(text)) is not None}
    if not any(shows.literal or len(shows.entries) > 1 for shows in found.values()):
        return {}
    rows = [row for row, cell in enumerate(cells) if isinstance(cell, str)]
    others = [row for row in rows if cells[row] not in found]
    broken = [row for row in others if not asked or str(cells[row]).startswith("[")]
    if broken and len(broken) < len(rows) / 2:
        problem = f"{len(rows) - len(others):,} of {len(rows):,} values of {column.name!r} are lists"
        remedy = "write lists in all rows, or leave those cells empty; for classes say --task classification"
        raise DataError(column.where, f"{problem}; not {shown(broken, cells)}", remedy)
    return {} if broken else {text: shows.entries for text, shows in found.items()}


def recur(cells: Sequence[Cell], mark: re.Pattern[str], *, alone: bool = True) -> bool:
    """Whether the parts of most cells that hold the mark recur: one by itself, and all in other company.

    Without `alone` it is enough that all recur in much other company, and that they are fewer than the cells.
    """
    counts = Counter(cell for cell in cells if isinstance(cell, str))
    some = list(counts)[:: -(-len(counts) // LOOKED_AT) or 1]
    if not any(mark.search(cell) for cell in some):
        return False
    rows = [(frozenset(parts(cell, mark)), counts[cell]) for cell in some]
    company: dict[str, set[frozenset[str]]] = defaultdict(set)
    for row, _ in rows:
        for part in row:
            company[part].add(row)
    single = {part for row, _ in rows if len(row) == 1 for part in row}
    several = {row for row, _ in rows if len(row) > 1}
    few = not alone and len(frozenset[str]().union(*several)) < len(several) / 2
    good = {row for row in several if row & single and all(len(company[part]) > 1 for part in row)}
    good |= {row for row in several if few and all(len(company[part]) > MUCH for part in row)}
    total, recurring = (sum(count for row, count in rows if row in these) for these in (several, good))
    return len(several) > 1 and recurring > total / 2


def parts(cell: str | int | float, mark: re.Pattern[str] | None) -> list[str]:
    """The labels of a cell."""
    text = text_of(cell)
    return [text] if mark is None else [part.strip() for part in mark.split(text) if part.strip()]


def named_parts(cell: str, names: Collection[str]) -> list[str] | None:
    """The labels of a cell if they can be told by their names; None if not all of them are known."""
    for mark in (None, SURE, COMMA, *LIKELY):
        found = parts(cell, mark)
        if found and all(part in names for part in found):
            return found
    return None


def separator(cells: Sequence[Cell], *, asked: bool) -> re.Pattern[str] | None:
    """What parts the labels in the cells. Where several labels were not `asked` for, only what is sure."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    for mark in (SURE, COMMA):
        held = [text for text in texts if mark.search(text)]
        if held and (mark is SURE or asked or recur(cells, mark) or zero_one(texts, mark)):
            return mark
    for mark in LIKELY:
        if (asked and recur(cells, mark, alone=False)) or zero_one(texts, mark):
            return mark
    return None


def zero_one(texts: Sequence[str], mark: re.Pattern[str]) -> bool:
    """Whether all cells are rows of 0 and 1."""
    if not texts or flags([parts(texts[0], mark)], YES | NO) is None:
        return False
    return flags([parts(text, mark) for text in texts], YES | NO) is not None


def looks_like(cells: Sequence[Cell]) -> str:
    """A cell that looks like several labels and is taken for one; "" where there is none."""
    for mark in (COMMA, *LIKELY):
        if recur(cells, mark, alone=False):
            return next(cell for cell in cells if isinstance(cell, str) and len(parts(cell, mark)) > 1)
    return ""


def read(
    cells: Sequence[Cell], column: Column, *, asked: bool, classes: list[str] | None
) -> tuple[Sets, list[str] | None]:
    """The labels of each item, and all that there are where this is known; how they were read is told.

    Raises `DataError`.
    """
    written = lists_in(cells, column, asked=asked)
    plain = [cell for cell in cells if not isinstance(cell, list) and cell not in written]
    mark = separator(plain, asked=asked or bool(written))
    known = {cell: _labels(cell, written, mark, column) for cell in {*plain, *written} if cell is not None}
    rows = [cell if cell is None or isinstance(cell, list) else known[cell] for cell in cells]
    places = flags([row for row in rows if row is not None], YES | NO)
    if places is not None:
        numbered = [str(number) for number in range(places)]
        names = numbered if classes is None else list(classes)
        # two labels that are called 0 and 1 may both be there
        if len(names) == places and not (places == 2 and set(column.named) == {*numbered}):
            return _indicated(rows, column, names), names
        if places > 2:
            problem = (
                f"{column.name!r} holds lists of {places} zeros and ones, but {len(names)} labels are named"
            )
            raise DataError(column.where, problem, "name one for each place")
    _explain(cells, written, mark, column, asked=asked)
    sets: Sets = [
        None if row is None else [text_of(value) for value in row if value is not None and value != ""]
        for row in rows
    ]
    return sets, classes


def _labels(
    cell: str | int | float,
    written: Mapping[str, list[str | None]],
    mark: re.Pattern[str] | None,
    column: Column,
) -> list[Any]:
    if isinstance(cell, str) and cell in written:
        return written[cell]
    found = named_parts(cell, column.named) if isinstance(cell, str) and column.named else None
    return parts(cell, mark) if found is None else found


def flags(rows: Sequence[Sequence[Any]], known: Collection[str]) -> int | None:
    """How long all rows are, if they are of one length over 1 and hold nothing but yes and no; else None."""
    if not rows or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return None
    held = {flag(value) for row in rows for value in row if value is not None}
    return len(rows[0]) if held and (held <= {*known} or held <= {"-1", "1"}) else None


def _indicated(rows: Sequence[list[Any] | None], column: Column, names: Sequence[str]) -> Sets:
    text = f"{column.name!r} holds lists of {len(names)} zeros and ones: each place taken as a label"
    column.tell("HS310", f"{text} of its own ({few(names, 4)}); give their names with labels")
    return [
        None
        if row is None or any(value is None for value in row)
        else [name for name, value in zip(names, row, strict=True) if flag(value) in YES | ALSO_YES]
        for row in rows
    ]


def _explain(
    cells: Sequence[Cell],
    written: Mapping[str, Any],
    mark: re.Pattern[str] | None,
    column: Column,
    *,
    asked: bool,
) -> None:
    """What was taken for several labels, where a person might have meant something else."""
    said = 'taken as several labels an item; otherwise say task "classification"'
    if written:
        column.tell(
            "HS310", f"{column.name!r} holds lists written as text, such as {next(iter(written))}: {said}"
        )
        return
    texts = [cell for cell in cells if isinstance(cell, str)]
    several = next((text for text in texts if mark is not None and len(parts(text, mark)) > 1), None)
    if mark is not None and several is not None and not (asked and mark is SURE):
        held = MARKS.get(mark, f'"{mark.pattern.strip(chr(92))}"')
        column.tell("HS310", f"{column.name!r} holds {held} ({several!r}): {said}")
    elif asked and mark is None:
        whole = next((text for text in texts if BLANK.search(text)), None)
        if whole is not None and whole not in column.named:
            column.tell("HS310", f'{column.name!r}: {whole!r} is taken as one label; put ";" between several')


def from_columns(columns: Mapping[str, Sequence[Any]], where: str) -> Sets:
    """One column for each label, with yes or no in each row -> the labels of each row.

    A row with an empty cell has none that are known, unless empty cells and one mark is all that a column
    holds. Raises `DataError` for a column that holds anything else.
    """
    known = {name: [flag(value) for value in values] for name, values in columns.items()}
    for name, values in known.items():
        if not any(values):
            problem = f"the column {name!r} of a label is empty"
            raise DataError(where, problem, "leave it out, or write 0 and 1")
        if not is_flags(values):
            row = next(
                i for i, value in enumerate(values) if value not in YES | NO | ALSO_YES | ALSO_NO | {""}
            )
            problem = f"the column {name!r} of a label holds {values[row]!r} (row {row + 1})"
            raise DataError(where, problem, "several label columns hold 0 or 1 each: name only those")
        if set(values) <= ALSO_YES | {""}:  # crosses, where they apply
            known[name] = [value or "0" for value in values]
    rows: Sets = []
    for held in zip(*known.values(), strict=True):
        yes = [name for name, value in zip(known, held, strict=True) if value in YES | ALSO_YES]
        rows.append(None if "" in held else yes)
    return rows


def is_flags(values: Collection[str]) -> bool:
    """Whether values (texts in lower case, "" where there is none) are the yes and no of one label."""
    held = {*values} - {""}
    return bool(held) and (held <= YES | NO | ALSO_YES | ALSO_NO or held <= {"-1", "1"})


def flag(value: Any) -> str:
    """A yes or no in the form in which they are known: "1" for 1, 1.0 and "1.0"; "" where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    number = plain(value)
    return text_of(number) if number is not None else str(value).strip().lower()
