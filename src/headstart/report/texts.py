"""Texts of the items that a report shows, so that it can be drawn again without the data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headstart.core.dataset import Dataset
from headstart.core.task import Task
from headstart.core.words import label as in_words
from headstart.core.words import shortened
from headstart.errors import HeadstartError
from headstart.report.pictures import examples, label_of

KEPT = 5_000
"""Characters of a text that are kept: what a person may want to unfold."""
ON_MAP = 200
"""Characters of a text on the map."""
SECONDS = 3.0
"""Time for the map's texts: they may lie in many files."""


def gather(
    dataset: Dataset, task: Task, insight: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Texts of everything that `insight` names by row, as plain JSON.

    `items` are by row (as text): texts (one, or the two of a pair; at most `KEPT` characters each), id,
    label. `examples` are rows among them. `map` are the shortened texts of the map's points by row. What
    cannot be opened is left out.
    """
    chosen = examples(dataset, task)
    rows = [entry["row"] for name in ("mistakes", "label_errors") for entry in insight.get(name) or ()]
    items: dict[str, dict[str, Any]] = {}
    for row in dict.fromkeys([*map(int, rows), *chosen]):
        parts = opened(dataset, row)
        if parts:
            label = label_of(dataset, task, row)
            items[str(row)] = {
                "texts": [part if len(part) <= KEPT else shortened(part, KEPT, lines=True) for part in parts],
                "id": dataset.items[row].id,
                "label": None if label is None else in_words(label),
            }
    points = (insight.get("map") or {}).get("points") or []
    return {
        "version": 1,
        "modality": "text",
        "items": items,
        "examples": [row for row in chosen if str(row) in items],
        "map": on_map(dataset, [int(point["row"]) for point in points], clock),
    }


def on_map(dataset: Dataset, rows: Sequence[int], clock: Callable[[], float]) -> dict[str, list[str]]:
    """The shortened texts by row (as text), as far as the time reaches."""
    end = clock() + SECONDS
    found = {}
    for row in rows:
        if clock() > end:
            break
        parts = opened(dataset, row)
        if parts:
            found[str(row)] = [shortened(part, ON_MAP) for part in parts]
    return found


def opened(dataset: Dataset, row: int) -> tuple[str, ...]:
    """The text of an item, or the two of a pair; nothing when it cannot be opened."""
    from headstart.modalities.text import open_item

    try:
        return open_item(dataset.items[row].read()).parts
    except (OSError, ValueError, HeadstartError):
        return ()
