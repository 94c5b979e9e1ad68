"""Long recordings: what is said in them, window by window, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.core.source import Preprocessing
from headstart.modalities.base import Timed
from headstart.tasks.base import Says

WRITERS = ("generator", "ctc")
"""Kinds of network whose answers are written, not chosen."""
AT_ONCE = 4
"""Windows that are computed at a time."""


@dataclass(frozen=True)
class Segment:
    """What is said from one moment to another, in seconds."""

    start: float
    end: float
    text: str

    def to_json(self) -> dict[str, Any]:
        return {"start": round(self.start, 2), "end": round(self.end, 2), "text": self.text}


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a recording, prepared."""

    start: float
    end: float
    content: np.ndarray = field(repr=False)


def hears(predictor: Any, methods: Any) -> bool:
    """Whether answers follow their item in time, and are written by what the model's network gives."""
    return isinstance(methods, Says) and methods.heard and predictor.model.net.get("kind") in WRITERS


def unread(opened: Any, parts: tuple[Window, ...]) -> str:
    """What lies behind the last window, in words."""
    read = parts[-1].end
    return (
        "" if opened.seconds <= read + 1 else f"the first {read:g} of {opened.seconds:,.1f} seconds are read"
    )


def windows(modality: Any, opened: Any, contract: Preprocessing) -> tuple[Window, ...]:
    """The windows of an item that is longer than what the source reads at a time; none of any other."""
    if not isinstance(modality, Timed):
        return ()
    found = modality.windows(opened, contract)
    if len(found) < 2:
        return ()
    return tuple(Window(start, end, modality.prepare(part, contract)) for start, end, part in found)


def segments(predictor: Any, parts: tuple[Window, ...], collate: Any) -> tuple[Segment, ...]:
    """What a model says of windows, in order; those of which it says nothing are left out."""
    found = []
    for at in range(0, len(parts), AT_ONCE):
        some = parts[at : at + AT_ONCE]
        scores = predictor.scores(collate([part.content for part in some]))
        for part, row in zip(some, scores, strict=True):
            text = predictor.text(row)
            if text:
                found.append(Segment(part.start, part.end, text))
    return tuple(found)
