"""By what a person tells two domains apart: properties of files, words, and how items look or sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset
from headstart.errors import HeadstartError
from headstart.measure.shift.columns import column_auc, words_apart
from headstart.workflows.inputs.domains import Domain, Domains

LOOKED = 500
"""Items of each domain whose files, looks and words are compared."""
ALONE = 0.95
"""AUC from which on one property of the files tells the domains apart by itself."""


@dataclass(frozen=True)
class Apart:
    """A property by which items of the domains differ: of their files, or of how they look."""

    name: str
    source: str
    target: str
    """What is usual, in words."""
    auc: float
    """By which it alone tells the domains apart, 0.5 to 1."""

    @property
    def alone(self) -> bool:
        return self.auc > ALONE

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "a": self.source, "b": self.target, "auc": self.auc}


def _some(domain: Domain, seed: int) -> np.ndarray:
    """Rows of at most `LOOKED` items."""
    return np.sort(np.random.default_rng(seed).permutation(len(domain))[:LOOKED])


def artefacts(domains: Domains, seed: int) -> list[Apart]:
    """How each property of the files tells the domains apart, the most telling first; those that are the same
    for all are left out."""
    found = []
    for domain in (domains.source, domains.target):
        room = modalities.get(domain.dataset.modality)
        rows = _some(domain, seed)
        found.append([room.traits(domain.dataset.items[row].read(), domain.looked[row]) for row in rows])
    return _compared(*found, seed=seed)


def _compared(
    source: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]], *, seed: int
) -> list[Apart]:
    out = []
    for name in dict.fromkeys(key for side in (source, target) for one in side for key in one):
        one, two = ([item.get(name) for item in side] for side in (source, target))
        if len({*one, *two}) > 1:
            out.append(Apart(name, usual(one), usual(two), column_auc(one, two, seed=seed)))
    return sorted(out, key=lambda apart: -apart.auc)


def usual(values: Sequence[float | str | None]) -> str:
    """The median of numbers with the middle half; the most frequent text with its share."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if numbers and len(numbers) == len(values):
        low, middle, high = (
            f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
            for value in np.quantile(numbers, [0.25, 0.5, 0.75])
        )
        return middle if low == high else f"{middle} ({low} to {high})"
    value, count = Counter(values).most_common(1)[0]
    shown = "none" if value is None else str(value)
    return shown if count == len(values) else f"{shown} ({count / len(values):.0%})"


def features(domains: Domains, seed: int) -> list[dict[str, Any]]:
    """What differs in the items themselves: words with their ratio, and a few numbers that people know."""
    looks: list[list[Mapping[str, Any]]] = []
    terms: list[list[Sequence[str]]] = []
    room = modalities.get(domains.source.dataset.modality)
    for domain in (domains.source, domains.target):
        items = [opened(domain.dataset, row) for row in _some(domain, seed)]
        items = [one for one in items if one is not None]
        looks.append([room.looks(one) for one in items])
        terms.append([room.terms(one) for one in items] if room.IN_WORDS else [])
    found: list[dict[str, Any]] = [
        {"name": one.word, "kind": "word", "a": one.source, "b": one.target, "ratio": one.ratio}
        for one in (words_apart(*terms) if room.IN_WORDS else ())
    ]
    return found + [{**one.to_json(), "kind": "look"} for one in _compared(looks[0], looks[1], seed=seed)]


def opened(dataset: Dataset, row: int) -> Any:
    """An item, or None where it cannot be read any more."""
    try:
        return modalities.get(dataset.modality).open_item(dataset.items[row].read(), dataset.levels)
    except (OSError, HeadstartError):
        return None
