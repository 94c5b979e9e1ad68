"""A linear head in the manner of AdaMatch: what it says of an item without a label, the classes brought to
those of the labelled ones, is what it must say of another view of it
(`headstart.measure.unlabelled.alignment`).

Views are those that the pass has stored; where there are none, the features with half of them dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headstart.core.features import Features
from headstart.measure import unlabelled
from headstart.strategies._unlabelled import LearnsFromBoth, Lesson
from headstart.tasks.base.fits import Linear

STEPS = 300
BATCH = 448
"""Items without a label a step: 7 times 64, as published."""
DROPPED = 0.5
DECAY = 1e-3
RATE = 0.002
"""Of Adam, for features that are standardised and scaled to length 1, times the root of their number."""
MOMENTUM, SLOW = (0.9, 0.99), 0.98
"""Of Adam, and of the running mean of the weights that is the result."""
FOLLOW = 0.95
"""Of the running means of the classes."""


class Match(LearnsFromBoth):
    """Two views of an item have the same label."""

    name = "match"
    told = "which must get the same answer with half of their features dropped"
    factor = 6.0

    def how(self, stored: Features) -> str:
        return "which must get the same answer in their stored views" if stored.views else self.told

    def learn(self, lesson: Lesson) -> Linear:
        x = lesson.features(lesson.embedding)
        mean, scale = x.mean(axis=0), x.std(axis=0)
        alive = scale > 0
        factor = np.where(alive, x.shape[1] ** -0.5 / np.where(alive, scale, 1), 0).astype(np.float32)
        rng = np.random.default_rng(lesson.request.seed)
        views = _Views(
            (x - mean) * factor,
            [
                (lesson.features(lesson.embedding, view) - mean) * factor
                for view in range(1, lesson.stored.views + 1)
            ],
            rng,
        )
        head = _trained(views, lesson.y, lesson.common, rng)
        weight = head[:-1].T.astype(np.float64) * factor
        return Linear(weight, head[-1] - weight @ mean, 0.0)


@dataclass(frozen=True)
class _Views:
    """Items as they are, and other views of them."""

    items: np.ndarray = field(repr=False)
    """float32 `[N, D]`"""
    stored: list[np.ndarray] = field(repr=False)
    """The same of each stored view."""
    rng: np.random.Generator

    def another(self, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, D]`: another view of some items."""
        if not self.stored:
            own = self.items[rows]
            return own * (self.rng.random(own.shape, np.float32) >= DROPPED) / np.float32(1 - DROPPED)
        which = self.rng.integers(len(self.stored), size=len(rows))
        return np.stack([self.stored[view][row] for view, row in zip(which, rows, strict=True)])


def _trained(views: _Views, y: np.ndarray, common: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 `[D + 1, K]`: weights and the bias below them."""
    count, width, outputs = len(y), views.items.shape[1], len(common)
    labelled, pool = np.arange(count), np.arange(count, len(views.items))
    truth_of = np.eye(outputs, dtype=np.float32)
    truth = truth_of[y]
    heft = 1.0 / np.bincount(y, minlength=outputs)[y] * common[y]
    heft = (heft[:, None] / heft.sum() / 2).astype(np.float32)  # of two views
    head = np.zeros((width + 1, outputs), np.float32)
    first, second, slow = np.zeros_like(head), np.zeros_like(head), np.zeros_like(head)
    theirs = np.full(outputs, 1.0 / outputs)
    for step in range(STEPS):
        some = rng.choice(pool, min(len(pool), BATCH), replace=False)
        p, own = _answers(views.items[some], head), _answers(views.items[labelled], head)
        theirs = FOLLOW * theirs + (1 - FOLLOW) * p.mean(axis=0)
        guessed = unlabelled.aligned(p, theirs, common)
        sure = unlabelled.believed(guessed, own, heft[:, 0])
        strong = views.another(some)
        wrong = (_answers(strong, head) - truth_of[guessed.argmax(axis=1)]) * sure[:, None]
        wrong *= unlabelled.warm_up(step / STEPS) / len(some)
        slope = _slope(strong, wrong.astype(np.float32))
        for view in (views.items[labelled], views.another(labelled)):
            slope += _slope(view, (_answers(view, head) - truth) * heft)
        slope[:-1] += DECAY * head[:-1]
        first = MOMENTUM[0] * first + (1 - MOMENTUM[0]) * slope
        second = MOMENTUM[1] * second + (1 - MOMENTUM[1]) * slope**2
        fair = [1 - momentum ** (step + 1) for momentum in MOMENTUM]
        head = head - RATE * float(width) ** 0.5 * (first / fair[0]) / (np.sqrt(second / fair[1]) + 1e-8)
        slow = SLOW * slow + (1 - SLOW) * head
    return slow


def _answers(x: np.ndarray, head: np.ndarray) -> np.ndarray:
    z = x @ head[:-1] + head[-1]
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _slope(x: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    return np.concatenate([x.T @ wrong, wrong.sum(axis=0, keepdims=True)])
