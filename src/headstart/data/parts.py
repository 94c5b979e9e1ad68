"""Columns that say which split and which group a row belongs to, whatever form of table they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from headstart.data.reading import SPLITS, bare, natural
from headstart.errors import DataError

FOLDS = ("fold", "folds", "kfold", "foldid", "cvfold", "traintest", "trainortest", "usage")
"""How columns of the parts of a cross-validation are called."""
_YES = ("true", "yes", "1", "1.0", "y", "t")
_NO = ("false", "no", "0", "0.0", "n", "f")


def splits(values: Sequence[Any], column: str, where: str) -> np.ndarray:
    """text `[N]`: "train", "val", "test", or "" where nothing is said.

    A column called is_test, or the like, may hold yes and no. `column` and `where` are for messages. Raises
    `DataError` for values that are no split.
    """
    texts = [str(value if value is not None else "").strip().lower() for value in values]
    if own := flag_of(column):
        other = "test" if own == "train" else "train"
        said = {**dict.fromkeys(_YES, own), **dict.fromkeys(_NO, other)}
        texts = [said.get(text, text) for text in texts]
    wrong = sorted({text for text in texts if text and text not in SPLITS})
    if wrong:
        row = next(i for i, text in enumerate(texts) if text == wrong[0])
        found = f"{column!r} holds {', '.join(map(repr, wrong[:5]))} (first in row {row + 1})"
        raise DataError(where, f"{found}, which is no split", "use train, val or test, or leave it empty")
    return np.array([SPLITS[text] if text else "" for text in texts])


def flag_of(column: str) -> str:
    """The split that a column says yes or no of, by its name: "test" for is_test; "" for any other."""
    name = bare(column)
    return SPLITS.get(name.removeprefix("is"), "") if name.startswith("is") else ""


def are_splits(values: Sequence[str]) -> bool:
    """Whether these are names of splits, of the training part among them."""
    found = {SPLITS.get(value.strip().lower(), "") for value in values}
    return "train" in found and "" not in found


def check_order(items: Any, labels: Any) -> None:
    """Raises `DataError` where both have an index (of pandas), of the same values in another order: rows are
    told by their place, and these are shuffled against each other."""
    one, other = (cast("Any", getattr(given, "index", None)) for given in (items, labels))
    if not (hasattr(one, "equals") and hasattr(other, "equals")) or one.equals(other):
        return
    if len(one) == len(other) and set(one) == set(other):
        problem = "the labels have the index of the items, but in another order"
        raise DataError(
            "the labels", problem, "give labels.loc[items.index]; labels.to_numpy() if they are in order"
        )


def domains(values: Sequence[Any]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """(int64 `[N]`: numbers for the domains, -1 for a row without one; their names by number, in natural
    order); (None, ()) where no row has any."""
    texts = ["" if _nothing(value) else str(value).strip() for value in values]
    names = tuple(sorted(set(texts) - {""}, key=natural))
    if not names:
        return None, ()
    number = {name: place for place, name in enumerate(names)}
    return np.array([number.get(text, -1) for text in texts], dtype=np.int64), names


def groups(values: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(int64 `[N]`: numbers for the groups, a row without one is a group of its own; the groups as they were
    written, by number)."""
    numbers: dict[str, int] = {}
    out = []
    for row, value in enumerate(values):
        key = f"row {row}" if _nothing(value) else f"={value}"
        out.append(numbers.setdefault(key, len(numbers)))
    return np.array(out, dtype=np.int64), tuple(key.removeprefix("=") for key in numbers)


def _nothing(value: Any) -> bool:
    return value is None or not str(value).strip() or (isinstance(value, float) and math.isnan(value))
