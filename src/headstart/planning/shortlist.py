"""Which of many sources are worth a probe? Pure functions of what passes over some of the items have told.

All are measured on a few items and by a few taps, the best third (of very many, quarter) of them on twice as
many by all taps (successive halving; Karnin et al., ICML 2013), until few are left, of which those worth a
probe go on as long as they are not clearly worse than the first, and a quarter of everything pays for it.
What a round reads is there for the probe, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headstart.core.budget import words

KEPT = 3
"""Sources that are probed; where there are no more, nothing is left out."""
FEW, MANY = 300, 5_000
"""Labelled items up to which those that score best are kept, and beyond which the cheapest is one of them."""
VERY_MANY = 24
"""Sources beyond which three quarters go at once: what the first rounds read is what hundreds cost."""
SURE, QUARTER = 100, 0.25
"""Labelled items from which sources that cannot be told from the first are left out, so that all that is read
costs no more than this share of reading everything through all sources (`benchmarks/search.py`)."""
LEAST, A_CLASS = 25, 3
"""Items of the first round, and for each class at least. Of ten or eleven sources of photos, texts and sounds
the better half on 25 items never lost the best (16 draws of 4 sets), the best quarter lost 0.3 points."""
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
    way: str = ""
    """How it reads an item, where sources of a run do that in several ways: each way is probed."""


@dataclass(frozen=True)
class Found:
    """What a search ends with."""

    kept: tuple[str, ...]
    """The sources to probe, in order."""
    left_out: Mapping[str, str]
    """Sources for which there was no time, with the reason."""
    items: int
    """Of the last round."""


def search(
    costs: Mapping[str, float],
    items: int,
    left: Callable[[], float],
    measure: Callable[[Sequence[str], int, bool], Sequence[Ranked]],
    learnt: int | None = None,
    classes: int = 1,
) -> Found:
    """The whole search among the sources whose `costs` are seconds that an item takes.

    `items` labelled ones may be read, `left` says how many seconds there are still, `measure` ranks sources
    on so many items, by a few taps alone if it is told so, best first, and leaves out those that break.
    `learnt` is how many labelled items there are to learn from, `items` unless given, `classes` how many
    classes or labels they have.
    """
    learnt = items if learnt is None else learnt
    alive, done, ranked = tuple(costs), 0, list[Ranked]()
    read, left_out = dict.fromkeys(costs, 0), dict[str, str]()
    while True:
        found = next_round(costs, alive, done, items, left(), least(classes))
        left_out |= found.left_out
        if found.items == done:  # no time for more
            ranked = [one for one in ranked if one.name in found.sources]
            break
        few = done == 0 and found.items < items
        ranked, done = list(measure(found.sources, found.items, few)), found.items
        read |= dict.fromkeys(found.sources, done)
        alive = tuple(better(ranked, learnt))
        if done >= SURE and len(ranked) <= KEPT:
            alive = saving(ranked, alive, read, costs, items)
            ranked = [one for one in ranked if one.name in alive]
        if len(alive) < 2 or done == items:
            break
    return Found(tuple(kept(ranked, learnt)), left_out, done)


def least(classes: int) -> int:
    """Items of the first round."""
    return max(LEAST, A_CLASS * classes)


def next_round(
    costs: Mapping[str, float],
    alive: Sequence[str],
    done: int,
    items: int,
    seconds: float,
    first: int = LEAST,
) -> Round:
    """On how many of the `items` the sources that are `alive` are measured now, after `done` of them.

    `costs` are seconds that an item takes, `seconds` what the search may still take. `first` items come
    first, each further round has twice as many, as long as they fit. In the first the slowest sources are
    left out until the others fit.
    """
    count = min(items, max(first, 2 * done))
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


def better(ranked: Sequence[Ranked], learnt: int) -> list[str]:
    """The sources that go on to the next round; `ranked` are all of this one, best first: the best quarter of
    very many, the best third of many, of few those that are worth a probe."""
    if len(ranked) <= KEPT:
        return kept(ranked, learnt)
    share = 4 if len(ranked) > VERY_MANY else 3
    return [one.name for one in ranked[: math.ceil(len(ranked) / share)]]


def saving(
    ranked: Sequence[Ranked],
    alive: Sequence[str],
    read: Mapping[str, int],
    costs: Mapping[str, float],
    items: int,
) -> tuple[str, ...]:
    """Those that are `alive`, in order, without the last ones as long as another round of all of them and the
    first one's whole pass cost more than `QUARTER` of everything. `read` says how many items each has read;
    the first of each way of reading stays."""
    most = QUARTER * items * sum(costs.values())
    ways = {one.name: one.way for one in ranked}
    found = list(alive)
    for name in alive[:0:-1]:
        next_up = {other: min(items, 2 * read[other]) for other in found}
        takes = sum(cost * {**read, **next_up, found[0]: items}[other] for other, cost in costs.items())
        if takes > most and ways[name] in {ways[other] for other in found if other != name}:
            found.remove(name)
    return tuple(found)


def kept(ranked: Sequence[Ranked], items: int) -> list[str]:
    """The sources to probe, in order; `ranked` are those of the last round, best first, `items` how many
    labelled items there are to learn from.

    With few items the best by rank; with more the two best, and of the others the one of which most was known
    before, as far as they cannot be told from the best; with many the best, that one whatever its rank (what
    training all of it gives is not what frozen features show), and the cheapest of those that cannot be told
    from the best: a probe tells then what the ranking leaves open. Of each way of reading there is one.
    """
    count = KEPT if items <= FEW else KEPT - 1 if items <= MANY else 1
    close = [*ranked[:1], *(one for one in ranked[1:] if one.tied)]
    found, rest = close[:count], close[count:]
    known = rest if items <= MANY else [one for one in ranked if one not in found]
    if known and len(found) < KEPT:
        found.append(max(known, key=lambda one: one.prior))
    rest = [one for one in rest if one not in found]
    if rest and len(found) < KEPT:
        found.append(min(rest, key=lambda one: one.cost))
    for one in ranked:
        if one.way not in {other.way for other in found}:
            found.append(one)
    return [one.name for one in ranked if one in found]
