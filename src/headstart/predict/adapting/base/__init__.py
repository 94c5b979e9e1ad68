"""What every way of adapting a network to the items at hand is given, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from headstart.core import words
from headstart.core.model import Model
from headstart.core.task import Task

if TYPE_CHECKING:
    import torch

    from headstart.nets.base import Net

DRAWS = 1_000
"""Samples of the training part by which it is judged how unlike it answers are by chance."""
CHANCE = 0.99
APART = 0.3
"""Total variation between two sets of class frequencies that matters, beyond chance: 80 and 20 of 100 where
there were 50 and 50."""


@dataclass(frozen=True, eq=False)
class Job:
    """A network and the items that it is brought to."""

    net: Net
    """In eval mode and without gradients; it is changed in place."""
    task: Task
    batches: Sequence[torch.Tensor]
    """All prepared items, in an order drawn at random, where the network is."""
    frequencies: np.ndarray | None = None
    """float64 `[K]`: of each class in the training part; None where they are not known."""

    @property
    def due(self) -> np.ndarray:
        """float64 `[K]`: those frequencies, or equal ones."""
        outputs = self.task.outputs
        return np.full(outputs, 1.0 / outputs) if self.frequencies is None else self.frequencies

    def predictions(self) -> np.ndarray:
        """float32 `[N, K]`: what the network says of them as it is now."""
        import torch

        with torch.inference_mode():
            return np.concatenate([self.net(batch).cpu().numpy() for batch in self.batches])


class Method(Protocol):
    """A way of adapting; a module is one."""

    def lacking(self, net: Net) -> str:
        """Why it cannot be done with such a network, as a clause; empty where it can."""

    def apply(self, job: Job, before: np.ndarray) -> Done:
        """Adapt `job.net`, whose answers are `before`, in place, under a `Guard`."""


class Done(NamedTuple):
    """What a method did."""

    after: np.ndarray
    """float32 `[N, K]`: the answers of the network as it is left."""
    sentence: str
    steps: int
    """Those that were kept: none where the network is as it was."""
    stopped: str
    """Why it went no further; empty where it came to its end."""


@dataclass(frozen=True)
class Adaptation:
    """What was done to a network before it answered."""

    method: str
    items: int
    """Those that it was adapted to."""
    changed: float
    """Share of their labels that are others than before."""
    skew: Skew
    """Of what it said of them before."""
    steps: int
    stopped: str
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "skew": self.skew._asdict()}

    def __str__(self) -> str:
        by = f"adapted by {self.method} to {words.count(self.items, 'item')}: {self.sentence}"
        end = f", and no further: {self.stopped}" if self.stopped else ""
        return f"{by}{end}; {100 * self.changed:.1f} % of their labels changed"


class Guard:
    """Which network is kept: that of the best step so far, while answers stay certain, diverse and theirs."""

    def __init__(self, tensors: Sequence[torch.Tensor], p: np.ndarray, due: np.ndarray) -> None:
        """`tensors`: what is changed, as it is before; `p` `[N, K]`: the answers with that; `due` `[K]`: the
        frequencies of the training part, from which those of answers must not go away."""
        self.tensors, self.due = tensors, due
        self.allowed = max(APART, float(apart(frequencies(p), due)))
        self.steps = -1
        self._keep(p)

    def _keep(self, p: np.ndarray) -> None:
        self.best, self.answers, self.steps = diversity(p), p, self.steps + 1
        self._kept = [one.detach().clone() for one in self.tensors]

    def against(self, p: np.ndarray) -> str:
        """Why to stop with the answers of one more step; empty, and that network is kept, where to go on."""
        if not np.isfinite(p).all():
            return "answers are no numbers any more"
        score, drift = diversity(p), float(apart(frequencies(p), self.due))
        if score <= self.best:
            return f"answers would be less certain and diverse ({self.best:.3f} to {score:.3f})"
        if drift > self.allowed:
            return f"classes would be skewed by {drift:.2f} (allowed {self.allowed:.2f})"
        self._keep(p)
        return ""

    def restore(self) -> None:
        """Give the network what was kept."""
        for tensor, value in zip(self.tensors, self._kept, strict=True):
            tensor.data.copy_(value)


def diversity(p: np.ndarray) -> float:
    """BNM of probabilities `[N, K]` (Cui et al., CVPR 2020): `||P||_* / sqrt(N min(N, K))`, 1 where all are
    certain, and classes equally frequent."""
    n, outputs = p.shape
    return float(np.linalg.norm(p.astype(np.float64), "nuc") / math.sqrt(n * min(n, outputs)))


def learnt(model: Model) -> np.ndarray | None:
    """float64 `[K]`: of the classes in the training part, as the model tells; None where it does not, or not
    soundly."""
    said = model.evidence.get("frequencies")
    try:
        found = np.array(said, np.float64)
    except (TypeError, ValueError):
        return None
    sound = found.shape == (model.task.outputs,) and (found >= 0).all() and 0 < found.sum() < np.inf
    return found / found.sum() if sound else None


def frequencies(p: np.ndarray) -> np.ndarray:
    """float64 `[K]`: how often each class is said."""
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)


class Skew(NamedTuple):
    """How unlike those of the training part the frequencies of classes are in a set of answers."""

    found: float
    """Total variation: 0 to 1."""
    allowed: float
    """What matters, or may be by chance with so few items, whichever is larger."""
    share: float
    """Of the class that is said most beyond its due."""
    due: float
    """Its share in the training part."""
    label: str

    @property
    def harmful(self) -> bool:
        return self.found > self.allowed


def skew_of(task: Task, p: np.ndarray, due: np.ndarray) -> Skew:
    """Of answers `[N, K]` against the training part's frequencies `[K]`."""
    n, share = len(p), frequencies(p)
    drawn = np.random.default_rng(0).multinomial(n, due, DRAWS) / n
    chance = float(np.quantile(apart(drawn, due), CHANCE))
    most = int((share - due).argmax())
    return Skew(
        float(apart(share, due)), max(APART, chance), float(share[most]), float(due[most]), task.labels[most]
    )


def apart(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Total variation between frequencies `[..., K]`."""
    total: np.ndarray = 0.5 * np.abs(p - q).sum(axis=-1)
    return total
