"""Texts of the items that a report shows, so that it can be drawn again without the data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headstart import modalities
from headstart.core.dataset import Dataset
from headstart.core.words import shortened
from headstart.errors import HeadstartError

KEPT = 5_000
"""Characters of a text that are kept: what a person may want to unfold."""
ON_MAP = 200
"""Characters of a text on the map."""
SECONDS = 3.0
"""Time for the map's texts: they may lie in many files."""


def item(dataset: Dataset, row: int) -> dict[str, Any]:
    """`texts`: one, or the two of a pair, of at most `KEPT` characters each; nothing when it cannot be
    opened."""
    parts = [
        part if len(part) <= KEPT else shortened(part, KEPT, lines=True) for part in opened(dataset, row)
    ]
    return {"texts": parts} if parts else {}


def of_map(
    dataset: Dataset, points: Sequence[Mapping[str, Any]], clock: Callable[[], float]
) -> dict[str, Any]:
    """`map`: the shortened texts of its points by row (as text), as far as the time reaches."""
    end = clock() + SECONDS
    found = {}
    for point in points:
        if clock() > end:
            break
        if parts := opened(dataset, int(point["row"])):
            found[str(int(point["row"]))] = [shortened(part, ON_MAP) for part in parts]
    return {"modality": dataset.modality, "map": found}


def opened(dataset: Dataset, row: int) -> tuple[str, ...]:
    """The text of an item, or the two of a pair; nothing when it cannot be opened."""
    room = modalities.get(dataset.modality)
    try:
        return tuple(room.lines(room.open_item(dataset.items[row].read())))
    except (OSError, ValueError, HeadstartError):
        return ()
