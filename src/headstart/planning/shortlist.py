"""Which of many sources are worth a probe? Pure functions of what passes over some of the items have told.

All are measured on a few items, the better half of them on twice as many, until few are left (successive
halving; Karnin et al., ICML 2013). On the 100 items of the first round the best three by the combined score
lost at most 0.3 points of 21 sets of features (`headstart.measure.transferability.combined`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.core.budget import words

KEPT = 3
"""Sources that are probed; where there are no more, nothing is left out."""
FEW, MANY = 300, 5_000
"""Labelled items up to which those that score best are kept, and beyond which the cheapest is one of them."""
LEAST = 100
"""Items of the first round: on fewer the order is luck."""
SHARE = 0.3
"""Of the time left, what the search may take."""


@dataclass(frozen=True)
class Round:
    """What is measured next."""

    items: int
    """Labelled items, those of earlier rounds among them; as many as before where no more are measured."""
    sources: tuple[str, ...]
    left_out: Mapping[str, str]
    """Sources for which there is no time, with the reason."""


@dataclass(frozen=True)
class Ranked:
    """A source in its place."""

    name: str
    cost: float
    """Seconds that an item takes."""
    prior: float = 0.0
    """What was known before, higher is better."""
    tied: bool = True
    """Whether it cannot be told from the first."""


def next_round(
    costs: Mapping[str, float], alive: Sequence[str], done: int, items: int, seconds: float
) -> Round:
    """On how many of the `items` the sources that are `alive` are measured now, after `done` of them.

    `costs` are seconds that an item takes, `seconds` what the search may still take. `LEAST` items come
    first, each further round has twice as many, as long as they fit. In the first the slowest sources are
    left out until the others fit.
    """
    count = min(items, max(LEAST, 2 * done))
    names = sorted(alive, key=lambda name: (costs[name], alive.index(name)))
    left_out = {}

    def takes() -> float:
        return (count - done) * sum(costs[name] for name in names)

    if done and takes() > seconds:
        return Round(done, tuple(alive), {})
    while len(names) > 1 and takes() > seconds:
        slow = names.pop()
        left_out[slow] = (
            f"to read {count:,} items with it would take about {words(count * costs[slow])} of the "
            f"{words(max(0.0, seconds))} that there are to rank {len(alive)} sources"
        )
    return Round(count, tuple(name for name in alive if name in names), left_out)


def better_half(ranked: Sequence[Ranked]) -> list[str]:
    """The sources that go on to the next round; `ranked` are all of this one, best first. None where the next
    thing is to choose those that are `kept`."""
    return [one.name for one in ranked[: math.ceil(len(ranked) / 2)]] if len(ranked) > 2 * KEPT else []


def kept(ranked: Sequence[Ranked], items: int) -> list[str]:
    """The sources to probe, in order; `ranked` are those of the last round, best first, `items` how many
    labelled items there are to learn from.

    With few items the best by rank; with more the two best, and of the others the one of which most was known
    before; with many the best, that one, and the cheapest of those that cannot be told from the best: a probe
    tells then what the ranking leaves open.
    """
    count = KEPT if items <= FEW else KEPT - 1 if items <= MANY else 1
    found, rest = list(ranked[:count]), list(ranked[count:])
    if rest and len(found) < KEPT:
        found.append(max(rest, key=lambda one: one.prior))
        rest.remove(found[-1])
    if rest and len(found) < KEPT:
        found.append(min([one for one in rest if one.tied] or rest[:1], key=lambda one: one.cost))
    return [one.name for one in ranked if one in found]
