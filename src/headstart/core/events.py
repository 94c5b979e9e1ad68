"""Events: what happens in a run. The terminal, the run's log and tracking tools read one stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened. `kind` is one of the words below; `data` is JSON.

    data, sources, search (which are probed), plan, step (started), race (where a training stands, and whether
    it is dropped), progress (what, done, total), trial (finished arm), first_verdict, leaderboard, verdict,
    model, report, note, done.
    """

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does nothing."""
