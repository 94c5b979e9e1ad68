"""Which engine a pass uses: found by a trial on a few batches, and kept for this machine.

An engine is taken when the whole pass costs fewer processor seconds with it, its building included, and when
it agrees with the network as it is: a cosine of `SURE` or more for every item at every tap. Times are those
of the processor with one thread, which other programs disturb little. What was found is kept beside the
feature store for the network, its input and this machine, so that the next run computes as this one did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from headstart.core import environment, fingerprint
from headstart.passes.engines import EAGER, ENGINES
from headstart.passes.engines.base import Engine

AGREES, SURE = 0.999, 0.9999
"""Cosine between an item's features by an engine and by the network as it is: of one that was asked for, and
of one that is taken unasked. Probes on features above the second gave 99.5 to 100 % of the same predictions,
at 0.97 only 90 % (`benchmarks/NOTES.md`)."""
GAIN = 1.2
"""So many times as fast as the network as it is must an engine be: less is noise."""
WORTH = 5.0
"""Processor seconds that a pass takes, from which on a trial pays."""
PART = 0.1
"""Share of the pass that building an engine may take for it to be tried."""
BATCHES = 3
"""Of a trial: the first one warms up."""

Run = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""A prepared batch -> float16 `[B, ...]` by column."""


@dataclass(frozen=True)
class Choice:
    """The engine of a source's passes, and why."""

    engine: str = EAGER
    gain: float | None = None
    """So many times as fast as the network as it is; None: nothing was tried."""
    agreement: float | None = None
    """The lowest cosine of an item at a tap."""
    items: int = 0
    """Of the trial."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Engine -> why not."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "precision": ENGINES[self.engine].PRECISION}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Choice | None:
        """Back from `to_json`; None where it was kept by a version with other engines."""
        if kept.get("engine") not in ENGINES or not isinstance(kept.get("refused"), Mapping):
            return None
        return cls(kept["engine"], kept["gain"], kept["agreement"], kept["items"], kept["refused"])

    def __str__(self) -> str:
        precision = ENGINES[self.engine].PRECISION
        if self.engine == EAGER:
            why = "; ".join(f"{name} refused: {reason}" for name, reason in self.refused.items())
            return f"the network as it is, in {precision}{f' ({why})' if why else ''}"
        return (
            f"{self.engine} ({precision}), {self.gain:.1f} times as fast as the network as it is; "
            f"features agree to a cosine of {self.agreement:.5f} or more"
        )


def key(asked: str, backbone: Any, device: str) -> str:
    """Under which a choice is kept: the network, its input, this machine and what computes."""
    about = {
        "machine": environment.machine(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "device": device,
        "input": backbone.source.input.to_json(),
    }
    return "engine:" + fingerprint.of_parts([asked, backbone.digest, fingerprint.of_json(about)])


def names(asked: str, backbone: Any, device: str) -> tuple[list[str], dict[str, str]]:
    """The engines to be tried, and why others are not, where they were asked for."""
    tried, refused = [], {}
    for name in ENGINES if asked not in ENGINES else [asked]:
        problem = ENGINES[name].suits(backbone, device) if name != EAGER else ""
        if problem and name == asked:
            refused[name] = problem
        elif not problem and name != EAGER:
            tried.append(name)
    return tried, refused


def trial(
    asked: str,
    tried: Sequence[str],
    batches: Sequence[np.ndarray],
    items: int,
    opened: Callable[[Engine], Any],
) -> Choice | None:
    """The engine for a pass over so many items; None where the pass is too short for a trial.

    `opened` gives a context manager around a `Run`. An engine that was `asked` for need not be quicker.
    """
    seconds, expected = _measured(ENGINES[EAGER], batches, opened)
    best, least = Choice(items=sum(map(len, batches))), seconds * items
    whole, named = least, asked in ENGINES
    if whole < WORTH and not named:
        return None
    refused = {}
    for name in tried:
        if not named and PART * whole < ENGINES[name].SETUP:
            continue
        start = time.process_time()
        try:
            each, found = _measured(ENGINES[name], batches, opened)
        except Exception as error:  # whatever a compiler raises for a network it does not know
            refused[name] = (
                f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120] if str(error) else ''}"
            )
            continue
        built = max(0.0, time.process_time() - start - each * best.items)
        lowest = min(map(agreement, expected, found))
        if not lowest >= (AGREES if named else SURE):
            refused[name] = f"its features agree only to a cosine of {lowest:.5f}"
        elif named or built + each * items < min(least, whole / GAIN):
            least = built + each * items
            best = Choice(name, seconds / each, lowest, best.items)
    return Choice(best.engine, best.gain, best.agreement, best.items, refused)


def _measured(
    engine: Engine, batches: Sequence[np.ndarray], opened: Callable[[Engine], Any]
) -> tuple[float, list[Mapping[str, np.ndarray]]]:
    """(processor seconds an item, what it gives for each batch)."""
    found, seconds = [], []
    with opened(engine) as run:
        for batch in batches:
            start = time.process_time()
            found.append(run(batch))
            seconds.append((time.process_time() - start) / len(batch))
    return max(min(seconds[1:] or seconds), 1e-9), found


def agreement(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    """The lowest cosine of an item's features in any column; those that are all zero in both agree."""
    lowest = 1.0
    for column, rows in one.items():
        a, b = (np.asarray(x, np.float64).reshape(len(rows), -1) for x in (rows, other[column]))
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosine = (a * b).sum(1) / np.where(lengths > 0, lengths, 1)
        same = (a == b).all(1)
        lowest = min(lowest, float(np.where(same, 1.0, cosine).min()))
    return lowest
