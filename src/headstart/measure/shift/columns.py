"""How far a single property tells two domains apart: a number or a category, and how often words occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.measure.shift.separation import delong

FOLDS = 5
PRIOR = 0.5
"""Items that a category, or a word, is taken to have had in each domain before any was seen."""
CLEAR = 4.0
"""Standard errors from which on a word counts as more frequent, of the thousands that are looked at."""


def column_auc(
    source: Sequence[float | str | None], target: Sequence[float | str | None], *, seed: int = 0
) -> float:
    """The AUC, 0.5 to 1, by which one property of each item (None: it has none) tells the domains apart.

    Numbers by their order, and like categories by how often each occurs in either domain, counted on other
    items than are judged: one value where the other domain has many tells as well as a larger one.
    """
    values = [*source, *target]
    first = np.arange(len(values)) < len(source)
    found = [_by_category(values, first, seed)]
    if all(isinstance(value, int | float) for value in values):
        numbers = np.array(values, np.float64)
        area = delong(numbers[first], numbers[~first])[0]
        found.append(max(area, 1 - area))
    return max(0.5, *found)


def _by_category(values: Sequence[float | str | None], first: np.ndarray, seed: int) -> float:
    rng = np.random.default_rng(seed)
    fold = np.empty(len(values), np.int64)
    for side in (first, ~first):
        fold[rng.permutation(np.flatnonzero(side))] = np.arange(int(side.sum())) % FOLDS
    scores = np.zeros(len(values))
    for number in range(FOLDS):
        learnt = fold != number
        counts = [
            Counter(values[i] for i in np.flatnonzero(learnt & side).tolist()) for side in (first, ~first)
        ]
        totals = [max(1, count.total()) for count in counts]
        for row in np.flatnonzero(~learnt).tolist():
            shares = [(c[values[row]] + PRIOR) / total for c, total in zip(counts, totals, strict=True)]
            known = counts[0][values[row]] + counts[1][values[row]]
            scores[row] = np.log(shares[1] / shares[0]) if known else 0.0
    return delong(scores[first], scores[~first])[0]


@dataclass(frozen=True)
class Word:
    """How often a word occurs."""

    word: str
    source: float
    target: float
    """Share of the items that have it."""
    ratio: float
    """Target over source, with half an item added to either count."""
    z: float
    """Difference of the log-odds in standard errors; above 0 it is more frequent in the target."""


def words_apart(
    source: Iterable[Iterable[str]], target: Iterable[Iterable[str]], *, most: int = 20
) -> list[Word]:
    """The words whose frequency differs most, by how sure that is (log-odds with a prior: Monroe, Colaresi
    and Quinn, "Fightin' Words", Political Analysis 2008). A word counts once an item; only what differs by
    `CLEAR` standard errors."""
    sides = [[set(item) for item in side] for side in (source, target)]
    n, m = map(len, sides)
    a, b = (Counter(word for item in side for word in item) for side in sides)
    found = []
    for word in a.keys() | b.keys():
        p, q = a[word] + PRIOR, b[word] + PRIOR
        rest_p, rest_q = n - a[word] + PRIOR, m - b[word] + PRIOR
        z = (np.log(q / rest_q) - np.log(p / rest_p)) / np.sqrt(1 / p + 1 / q + 1 / rest_p + 1 / rest_q)
        if abs(z) >= CLEAR:
            ratio = (q / (m + 2 * PRIOR)) / (p / (n + 2 * PRIOR))
            found.append(Word(word, a[word] / n, b[word] / m, float(ratio), float(z)))
    return sorted(found, key=lambda one: (-abs(one.z), one.word))[:most]
