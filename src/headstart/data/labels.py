"""From labels as they were written to a task and its target array; and what was decided on the way."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from headstart.core.dataset import Note
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, Task
from headstart.data.reading import natural
from headstart.errors import DataError, UnknownName

MISSING = frozenset({"", "nan", "na", "n/a", "null"})
"""Texts (in lower case) that mean that there is no label. "none" is a class: "no defect" often is."""
NOTHING = frozenset({""})
"""The same where names were given on purpose (folders, a hub's class names): a class may be called "null"."""

_LISTS = (list, tuple, set, frozenset)
_NO_LABELS = (((bytes, bytearray, memoryview), "bytes"), (dict, "a record"), (_LISTS, "a list"))
_SEVERAL = re.compile(r"[;|]")
_PADDED = re.compile(r"[+-]?0\d+")
_MANY = 20
_FEW_EACH = 3
_DEFAULTS = {CLASSIFICATION: ("accuracy", True), MULTILABEL: ("mAP", True), REGRESSION: ("MAE", False)}


def encode(
    values: Sequence[Any],
    *,
    where: str,
    name: str = "label",
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    missing: frozenset[str] = MISSING,
) -> tuple[Task | None, np.ndarray | None, tuple[Note, ...]]:
    """Labels, one for each item (text, number, list of texts, or None) -> task, targets, notes.

    `where` and `name` say in messages where the labels come from and what they are called; `classes`
    fixes the label space and its order; texts that (in lower case) are in `missing` are no label.
    All labels missing gives no task. Raises `DataError` for labels that are no texts or numbers or do not
    fit `kind`, `UnknownName` for one that is not in `classes`.
    """
    _check(values, where, name)
    plain = [_plain(value, missing) for value in values]
    known = [value for value in plain if value is not None]
    if not known:
        return None, None, ()
    decided = kind or _decide(known)
    notes = () if kind else _explain(known, decided, where, name)
    if decided == REGRESSION:
        return _task(REGRESSION, [name]), _numbers(plain, where, name), notes
    given = label_type(values)
    if decided == MULTILABEL:
        sets = [None if value is None else _several(value) for value in plain]
        names = _universe([label for found in sets if found for label in found], classes, where)
        return _task(MULTILABEL, names, given), _indicators(sets, names), notes
    texts = [None if value is None else _text(value, where) for value in plain]
    names = _universe([text for text in texts if text is not None], classes, where)
    number = {label: i for i, label in enumerate(names)}
    y = np.array([-1 if text is None else number[text] for text in texts], dtype=np.int64)
    return _task(CLASSIFICATION, names, given), y, notes


def _check(values: Sequence[Any], where: str, name: str) -> None:
    """Raises `DataError` for what would make a class of how Python writes it."""
    for row, value in enumerate(values, start=1):
        several = isinstance(value, _LISTS)
        for one in value if several else (value,):
            held = next((noun for kinds, noun in _NO_LABELS if isinstance(one, kinds)), "")
            if held:
                text = f"the label {name!r} of row {row} is {'a list with ' if several else ''}{held}"
                raise DataError(where, text, "write labels as texts, numbers or lists of them")


def _plain(value: Any, missing: frozenset[str]) -> Any:
    """A label as text, int, float, list, or None where there is none."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):  # 1.50 is the number 1.5, and 1.00 the class 1
        value = float(value)
    if isinstance(value, str):
        value = value.strip()
        return None if value.lower() in missing else value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, _LISTS):
        return [_entry(v) for v in value if v is not None]
    return value


def _entry(value: Any) -> str:
    """A label of a list, as text."""
    value = float(value) if isinstance(value, Decimal) else value
    return _number_text(value) if isinstance(value, float) else str(value).strip()


def _decide(known: list[Any]) -> str:
    if any(isinstance(value, list) for value in known):
        return MULTILABEL
    numbers = [_number(value) for value in known]
    if any(number is None for number in numbers):
        several = any(isinstance(value, str) and _SEVERAL.search(value) for value in known)
        return MULTILABEL if several else CLASSIFICATION
    if any(not float(number).is_integer() for number in numbers if number is not None):
        return REGRESSION
    distinct = len(set(numbers))
    return REGRESSION if distinct > _MANY and len(numbers) < _FEW_EACH * distinct else CLASSIFICATION


def _explain(known: list[Any], decided: str, where: str, name: str) -> tuple[Note, ...]:
    """What was decided, where a person might have meant something else."""
    numbers = [_number(value) for value in known]
    if decided == MULTILABEL and not isinstance(known[0], list):
        text = (
            f'{name!r} holds ";" or "|": taken as several labels an item; otherwise say task "classification"'
        )
        return (Note("HS310", where, text),)
    if any(number is None for number in numbers):
        return ()
    distinct = len(set(numbers))
    if decided == REGRESSION:
        text = f"{name!r} holds {distinct} different numbers: taken as regression; otherwise say task"
        return (Note("HS310", where, f'{text} "classification"'),)
    text = f"{name!r} holds {distinct} different whole numbers: taken as classes; otherwise say task"
    return (Note("HS310", where, f'{text} "regression"'),)


def _number(value: Any) -> float | None:
    """A label as a number; None where it is none. Padded ones ("007") are names."""
    if isinstance(value, (int, float)):
        return float(value)
    if not isinstance(value, str) or _PADDED.fullmatch(value) or "_" in value:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: Any, where: str) -> str:
    if isinstance(value, list):
        if len(value) == 1:
            return str(value[0])
        raise DataError(where, f"the label {value} is a list, but the task is classification")
    return _number_text(value) if isinstance(value, float) else str(value)


def _number_text(value: float) -> str:
    """3.0 -> "3": whole numbers become floats wherever a column has gaps."""
    return str(int(value)) if value.is_integer() else str(value)


def _several(value: Any) -> list[str]:
    if isinstance(value, list):
        return value
    parts = _SEVERAL.split(value) if isinstance(value, str) else [_text(value, "")]
    return [part.strip() for part in parts if part.strip()]


def _universe(found: Sequence[str], classes: Sequence[str] | None, where: str) -> list[str]:
    if classes is None:
        return sorted(set(found), key=natural)
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise DataError(where, f"labels={classes!r} is no list of class names", "give them in a list")
    names = [str(label).strip() for label in classes]  # as the labels themselves
    twice = [label for label, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(where, f"two classes are called {twice[0]!r}", "give each its own name")
    for label in found:
        if label not in names:
            raise UnknownName(f"label (in {where})", label, names)
    return names


def _indicators(sets: list[list[str] | None], names: Sequence[str]) -> np.ndarray:
    """float32 [N, C] of 0 and 1; a row of NaN where there is no label."""
    number = {label: i for i, label in enumerate(names)}
    y = np.zeros((len(sets), len(names)), dtype=np.float32)
    for row, labels in enumerate(sets):
        if labels is None:
            y[row] = np.nan
        else:
            y[row, [number[label] for label in labels]] = 1.0
    return y


def _numbers(plain: list[Any], where: str, name: str) -> np.ndarray:
    y = np.full(len(plain), np.nan)
    wrong = []
    for row, value in enumerate(plain):
        number = math.nan if value is None else _number(value)
        if number is None or math.isinf(number):
            wrong.append(f"row {row + 1}: {value!r}")
        else:
            y[row] = number
    if wrong:
        shown = [*wrong[:5], *([f"and {len(wrong) - 5} more"] if len(wrong) > 5 else [])]
        raise DataError(
            where, f"{len(wrong)} values of {name!r} are no numbers", "mend them or leave them empty", shown
        )
    return y


def _task(kind: str, names: Sequence[str], given: str = "text") -> Task:
    metric, higher = _DEFAULTS[kind]
    task = Task(kind, tuple(names), metric, higher, given)
    try:
        _ = task.values
    except (KeyError, ValueError):  # `classes` may be names that are none of that type
        return replace(task, label_type="text")
    return task


def label_type(values: Iterable[Any]) -> str:
    """The type that all labels have which were given (see `headstart.core.task.LABEL_TYPES`); else "text"."""
    kinds = set()
    for value in values:
        plain = value.tolist() if hasattr(value, "tolist") else value
        for one in plain if isinstance(plain, _LISTS) else (plain,):
            if one is not None and not (isinstance(one, float) and math.isnan(one)):
                kinds.add(type(one))
    if kinds == {bool}:
        return "bool"
    if kinds <= {int, float} and kinds:
        return "int" if kinds == {int} else "float"
    return "text"
