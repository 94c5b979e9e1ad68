"""From labels as they were written to a task and its target array; and what was decided on the way.

A column is read by what all of it shows. One file for each way in which labels are written: `missing`,
`numbers`, `several`, `names`; `column` holds what they share. What was guessed is told, and where two
readings are as likely a `DataError` says which options tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import targets
from headstart.core.dataset import Note
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, TRANSLATE, Task
from headstart.data.labels import names as naming
from headstart.data.labels import several
from headstart.data.labels.names import alike, match
from headstart.data.labels.several import flag, from_columns, is_flags
from headstart.data.labels.values import missing as gaps
from headstart.data.labels.values import numbers as numeric
from headstart.data.labels.values.column import Cell, Column, cells_of, label_type, normal, shown, text_of
from headstart.data.texts.targets import Sentences
from headstart.errors import DataError

__all__ = ["alike", "encode", "flag", "from_columns", "is_flags", "match"]

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?!\d)|\d{1,2}[./]\d{1,2}[./]\d{4}(?!\d)")


def encode(
    values: Sequence[Any],
    *,
    where: str,
    name: str = "label",
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    typed: bool = False,
    missing: Sequence[str] | None = None,
    known: Sequence[str] = (),
) -> tuple[Task | None, Any, tuple[Note, ...]]:
    """Labels, one for each item (text, number, list of texts, or None) -> task, targets (an array, or
    those of `data.texts`; None without any), notes.

    `where` and `name` say in messages where the labels come from and what they are called; `classes`
    fixes the label space and its order. None, NaN and empty texts are no label; so are the texts in
    `missing`, or, where that is None and the values are not `typed` (they come from a file that holds but
    text), the words of `missing.WORDS`. `known` are the labels of a model that the values are to be
    compared with: cells are read so that they hold those.
    All labels missing gives no task. Raises `DataError` for labels that are no texts or numbers, do not
    fit `kind`, or can be read in two ways; `UnknownName` for one that is not in `classes`.
    """
    space = None if classes is None else naming.given(classes, where)
    column = Column(where, name, tuple(space if space is not None else map(normal, known)))
    says = kind is not None and tasks.get(kind).read_as == TRANSLATE  # "NA" may well be said
    cells = gaps.drop(cells_of(values, column), column, typed=typed or says, marks=missing)
    if all(cell is None for cell in cells):
        return None, None, tuple(column.notes)
    decided = kind or _decide(cells, column)
    found, y = _WAYS[tasks.get(decided).read_as](cells, column, space, kind is not None)
    return _task(decided, found, label_type(values)), y, tuple(column.notes)


def _task(kind: str, names: Sequence[str], given: str) -> Task:
    task = replace(tasks.get(kind).make_task(names), label_type=given)
    try:
        _ = task.values
    except (KeyError, ValueError):  # the names may be others than the values that were given
        return replace(task, label_type="text")
    return task


def _decide(cells: Sequence[Cell], column: Column) -> str:
    """The kind of task that the cells show. Raises `DataError` where they show two."""
    if any(isinstance(cell, list) for cell in cells) or several.lists_in(cells, column, asked=False):
        return MULTILABEL
    numbers = numeric.read(cells)
    named = any(text_of(cell) in column.named for cell in cells if cell is not None)  # type: ignore[arg-type]
    if numbers.most and numbers.measured and not named:
        if numbers.comma and several.recur(cells, several.COMMA):
            cell = next(cell for cell in cells if isinstance(cell, str) and "," in cell)
            problem = f"{column.name!r} may hold decimal commas or several labels, such as {cell!r}"
            raise DataError(column.where, problem, "say --task regression or --task multilabel")
        return REGRESSION
    if numbers.values and not numbers.odd:
        return CLASSIFICATION
    return CLASSIFICATION if several.separator(cells, asked=False) is None else MULTILABEL


Space = list[str] | None
"""The names of the classes in their order, where they are given."""


def _numbers(
    cells: Sequence[Cell], column: Column, space: Space, asked: bool
) -> tuple[Sequence[str], np.ndarray]:
    del space
    single = _single(cells, column.where)
    numbers = numeric.read(single)
    y = targets.values(numeric.targets(single, numbers, column))
    written = ""
    if numbers.example is not None:
        text, number = numbers.example
        written = f" ({text!r} is read as {number:.15g})"
    elif alike := _one_number(single):
        written = f" ({' and '.join(map(repr, alike))} are read as one)"
    if written or not asked:
        text = (
            f"{column.name!r} holds {len(set(numbers.rows))} different numbers{written}: taken as regression"
        )
        column.tell("HS310", f'{text}; otherwise say task "classification"')
    return [column.name], y


def _one_number(cells: Sequence[Cell]) -> Sequence[str]:
    """Two texts that are the same number, but may be two versions or chapters: "1.10" and "1.1"."""
    first: dict[float, str] = {}
    for text in dict.fromkeys(cell for cell in cells if isinstance(cell, str)):
        number = numeric.plain(text)
        if number is not None and not number.is_integer() and first.setdefault(number, text) != text:
            return first[number], text
    return ()


def _sets(
    cells: Sequence[Cell], column: Column, space: Space, asked: bool
) -> tuple[Sequence[str], np.ndarray]:
    sets, space = several.read(cells, column, asked=asked, classes=space)
    spelled = naming.one_spelling({label for row in sets if row for label in row}, column)
    sets = [row if row is None else [spelled.get(label, label) for label in row] for row in sets]
    names = naming.space((label for row in sets if row for label in row), space, column.where)
    number = {label: i for i, label in enumerate(names)}
    rows = [None if row is None else [number[label] for label in row] for row in sets]
    return names, targets.sets(rows, len(names))


def _classes(
    cells: Sequence[Cell], column: Column, space: Space, asked: bool
) -> tuple[Sequence[str], np.ndarray]:
    single = _single(cells, column.where)
    texts = [None if cell is None else text_of(cell) for cell in single]
    spelled = naming.one_spelling({text for text in texts if text is not None}, column)
    texts = [text if text is None else spelled.get(text, text) for text in texts]
    if not asked:
        _explain_classes(single, column)
    names = naming.space((text for text in texts if text is not None), space, column.where)
    number = {label: i for i, label in enumerate(names)}
    return names, targets.classes(None if text is None else number[text] for text in texts)


def _texts(
    cells: Sequence[Cell], column: Column, space: Space, asked: bool
) -> tuple[Sequence[str], Sentences]:
    del space, asked
    single = _single(cells, column.where)
    return [column.name], Sentences([None if cell is None else text_of(cell) for cell in single])


_WAYS = {CLASSIFICATION: _classes, MULTILABEL: _sets, REGRESSION: _numbers, TRANSLATE: _texts}
"""Kind of task -> (names, targets) of the cells; `asked` says whether the user wants this kind."""


def _explain_classes(cells: Sequence[Cell], column: Column) -> None:
    """What of the classes may have been meant as numbers, or as several labels."""
    numbers = numeric.read(cells)
    text = f"{column.name!r} holds {len(set(numbers.rows))} different whole numbers"
    if numbers.values and not numbers.odd:
        column.tell("HS310", f'{text}: taken as classes; otherwise say task "regression"')
    elif numbers.most and not any(cell in column.named for cell in cells):
        text += f" and other words ({shown(numbers.odd, cells)}): all taken as classes"
        column.tell("HS310", f'{text}; otherwise say task "regression", or --missing')
    elif all(isinstance(cell, str) and _DATE.match(cell) for cell in cells if cell is not None):
        dates = f"{column.name!r} holds dates: each is taken as a class; a number of days could be learnt"
        column.tell("HS310", dates)
    elif not column.named and (cell := several.looks_like(cells)):
        column.tell("HS318", f"{column.name!r}: cells such as {cell!r} are taken as one class each")


def _single(cells: Sequence[Cell], where: str) -> list[Any]:
    """The cells with a list of one label as that label. Raises `DataError` for longer ones."""
    for cell in cells:
        if isinstance(cell, list) and len(cell) != 1:
            entries = [text_of(entry) for entry in cell if entry is not None]
            raise DataError(where, f"the label {entries} is a list, but the task is classification")
    return [cell[0] if isinstance(cell, list) else cell for cell in cells]
