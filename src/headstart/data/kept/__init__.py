"""Places and boxes in a table of a run's items: what `core.targets.Kept` gives, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart import tasks
from headstart.core.registry import found_at
from headstart.core.targets import Targets
from headstart.core.task import Task
from headstart.core.untrusted import Damaged

KINDS = {
    "boxes": "headstart.data.boxes.targets:of_kept",
    "places": "headstart.data.masks.targets:of_kept",
}
"""Targets by the form of a task's answers; each its function."""


def of_kept(task: Task, rows: Sequence[Any]) -> Targets:
    """Raises `Damaged` for what are no such targets."""
    place = KINDS.get(tasks.for_task(task).form)
    if place is None or not all(row is None or isinstance(row, bytes) for row in rows):
        raise Damaged(f"its labels are none of {task.kind}")
    found: Targets = found_at(place)(rows, task.labels)
    return found
