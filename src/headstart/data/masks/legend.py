"""What the values of masks mean: class names, ids or colours, and what is void; read from a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.core.maps import MOST_CLASSES, VOID
from headstart.core.untrusted import Damaged, read_json
from headstart.core.words import count
from headstart.errors import DataError, near

FILES = ("classes", "labels", "codes", "class_dict", "label_colors", "label_names", "names", "categories")
"""Names, without their ending, of files that list classes."""
ENDINGS = (".txt", ".csv", ".json")
VOIDS = frozenset({"void", "ignore", "ignored", "unlabelled", "unlabeled", "dontcare", "__ignore__"})
"""Names of what is no class."""
OTHERS = 254
"""Stands in a mask that was read for values that no class has."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Legend:
    """Names of classes, and the value that each has in a mask."""

    labels: tuple[str, ...]
    ids: tuple[int, ...] = ()
    """Of each class; unless there are colours."""
    colours: tuple[Colour, ...] = ()
    void: frozenset[Any] = field(default_factory=frozenset)
    """Ids, or colours, that are no class."""

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """uint8 `[H, W]`: number of the class, `VOID`, or `OTHERS` for a value that no class has; from ids
        `[H, W]` or colours uint8 `[H, W, 3]`. Raises `ValueError` for the one where the other is needed."""
        if self.colours:
            if values.ndim != 3:
                raise ValueError("it holds ids, but the list of classes has colours")
            codes = values.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
            known = [r * 65536 + g * 256 + b for r, g, b in self.colours]
            void = [r * 65536 + g * 256 + b for r, g, b in self.void]
        else:
            if values.ndim == 3:
                if (values[..., :1] != values).any():
                    raise ValueError("it is in colours, and no file of classes tells which is which")
                values = values[..., 0]
            codes, known, void = values.astype(np.int32), list(self.ids), list(self.void)
        found = np.full(codes.shape, OTHERS, np.uint8)
        order = np.argsort([*known, *void], kind="stable")
        table = np.array([*known, *void])[order]
        numbers = np.array([*range(len(known)), *([VOID] * len(void))], np.uint8)[order]
        at = np.searchsorted(table, codes).clip(0, len(table) - 1)
        hit = table[at] == codes
        found[hit] = numbers[at[hit]]
        return found

    def said(self) -> str:
        """How masks are read, in words."""
        if self.colours:
            text = f"{count(len(self.labels), 'class', 'classes')} by their colours"
        else:
            text = ", ".join(f"{i} {label}" for i, label in zip(self.ids[:4], self.labels, strict=False))
            text += ", ..." if len(self.ids) > 4 else ""
            text = f"{count(len(self.labels), 'class', 'classes')} by their ids ({text})"
        void = ", ".join(map(str, sorted(self.void)))
        return f"{text}; {void} is void and counts nowhere" if void else text

    def known(self, labels: Sequence[str], where: str) -> Legend:
        """The same in the order of a model's classes, by their names. Raises `DataError` for others."""
        strange = [name for name in self.labels if name not in labels]
        if strange:
            hint = near(strange[0], labels)
            raise DataError(where, f"the model does not know the class {strange[0]!r}{hint}")
        unused = -1  # an id that no mask has
        ids = tuple(self.ids[self.labels.index(n)] if n in self.labels else unused for n in labels)
        if not self.colours:
            return Legend(tuple(labels), ids, void=self.void)
        none = (-1, -1, -1)
        colours = tuple(self.colours[self.labels.index(n)] if n in self.labels else none for n in labels)
        return Legend(tuple(labels), colours=colours, void=self.void)


def of_file(name: str, data: bytes, where: str) -> Legend:
    """From a file that lists classes: a name a line (ids from 0), an id or a colour beside it, or JSON.

    Raises `DataError` for what is none.
    """
    text = data.decode("utf-8-sig", "replace")
    try:
        entries = _of_json(data) if name.lower().endswith(".json") else _of_lines(text)
    except (Damaged, ValueError) as error:
        raise DataError(where, f"{name} lists no classes ({error})", _REMEDY) from None
    if not entries or len({entry[0] for entry in entries}) < len(entries):
        problem = "names a class twice" if entries else "lists no classes"
        raise DataError(where, f"{name} {problem}", _REMEDY)
    if len(entries) > MOST_CLASSES:
        raise DataError(where, f"{name} lists {len(entries)} classes, more than {MOST_CLASSES}", _REMEDY)
    coloured = [isinstance(value, tuple) for _, value in entries]
    if any(coloured) and not all(coloured):
        raise DataError(where, f"{name} has a colour for some of its classes only", _REMEDY)
    kept = [(label, value) for label, value in entries if label.lower() not in VOIDS]
    void = {value for label, value in entries if label.lower() in VOIDS}
    labels, values = tuple(label for label, _ in kept), tuple(value for _, value in kept)
    if any(coloured):
        return Legend(labels, colours=values, void=frozenset(void))
    return Legend(labels, values, void=frozenset(void | ({VOID} - set(values))))


_REMEDY = "write one class a line, with its id or colour (r, g, b) where it has one"


def of_ids(ids: Sequence[int], where: str) -> Legend:
    """From the ids that masks hold, where no file lists the classes. Raises `DataError` for too many."""
    if list(ids) == [0, VOID]:
        return Legend(("background", "foreground"), (0, VOID))
    kept = tuple(sorted(set(ids) - {VOID}))
    if len(kept) > MOST_CLASSES:
        problem = f"the masks hold {len(kept)} different values: these are no ids of classes"
        raise DataError(where, problem, "give a file classes.txt, or save masks without loss (PNG)")
    return Legend(tuple(map(str, kept)), kept, void=frozenset({VOID} & set(ids)))


Entry = tuple[str, Any]


def _of_lines(text: str) -> list[Entry]:
    rows = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    split = [[cell.strip() for cell in _cells(line)] for line in rows]
    if split and not any(_number(cell) is not None for cell in split[0]) and len(split[0]) > 1:
        split = split[1:]  # a head: name, r, g, b
    found: list[Entry] = []
    for place, cells in enumerate(split):
        numbers = [number for cell in cells if (number := _number(cell)) is not None]
        names = [cell for cell in cells if _number(cell) is None]
        label = " ".join(names) or cells[-1]
        if len(numbers) in (3, 4) and names:
            found.append((label, _colour(numbers[-3:] if len(numbers) == 3 else numbers[1:])))
        elif len(numbers) == 1 and names:
            found.append((label, numbers[0]))
        else:
            found.append((" ".join(cells), place))
    return found


def _cells(line: str) -> list[str]:
    if "," in line:
        return next(csv.reader(io.StringIO(line)))
    if "\t" in line or ":" in line:
        return [cell for part in re.split(r"[\t:]", line) for cell in _words(part)]
    return _words(line)


def _words(part: str) -> list[str]:
    """Numbers at either end apart from the name between them: "64 128 64 Animal" has four cells."""
    match = re.fullmatch(r"\s*((?:\d+\s+)*)(.*?)((?:\s+\d+)*)\s*", part)
    assert match is not None
    return [*match[1].split(), *([match[2]] if match[2] else []), *match[3].split()]


def _number(cell: str) -> int | None:
    return int(cell) if cell.isdecimal() and len(cell) < 6 else None


def _colour(numbers: Sequence[Any]) -> Colour:
    red, green, blue = (int(number) for number in numbers)
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError("a colour beyond 255")
    return red, green, blue


def _of_json(data: bytes) -> list[Entry]:
    given = read_json(data)
    if isinstance(given, Mapping) and len(given) == 1 and isinstance(one := next(iter(given.values())), list):
        given = one
    if isinstance(given, list):
        return [_entry(place, one) for place, one in enumerate(given)]
    if not isinstance(given, Mapping):
        raise ValueError("it is neither a list nor a record")
    if all(str(key).isdecimal() for key in given):
        return [(str(label), int(key)) for key, label in given.items()]
    return [(str(key), _value(value)) for key, value in given.items()]


def _entry(place: int, one: Any) -> Entry:
    if not isinstance(one, Mapping):
        return str(one), place
    label = one.get("name", one.get("label"))
    colour = one.get("color", one.get("colour"))
    if label is None:
        raise ValueError("an entry without a name")
    return str(label), _value(colour) if colour is not None else int(one.get("id", place))


def _value(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 3:
        return _colour(value)
    return int(value)
