"""Pseudo-labels that two layers of the source agree on: a linear model on each, of each class those both
are most sure of, twice; then a linear model learns them beside the labels
(`headstart.measure.unlabelled.voting`).

What a single model is sure of is no reason to believe it (Arazo et al., IJCNN 2020: confirmation bias).
"""

from __future__ import annotations

import numpy as np

from headstart.core.features import Tap
from headstart.core.strategy import Request
from headstart.measure import unlabelled
from headstart.strategies._unlabelled import LearnsFromBoth, Lesson
from headstart.tasks.base import Linear

SHARES = (0.4, 0.8)
"""Of the items that each class is expected to have, how many it may get in each round."""
APART = 2
"""Stages between the voters where there are as many."""


class Voted(LearnsFromBoth):
    """Two layers agree."""

    name = "voted"
    told = f"labelled where two layers agree, in {len(SHARES)} rounds"
    factor = 5.0

    def unsuited(self, request: Request) -> str:
        return "" if other_tap(request) else "the source has one layer to read, and two must agree"

    def learn(self, lesson: Lesson) -> Linear:
        second = other_tap(lesson.request)
        assert second is not None
        voters = [lesson.features(lesson.embedding), lesson.features(second)]
        places, guessed = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for share in SHARES:
            votes = [lesson.answers(lesson.fit(x, places, guessed), x) for x in voters]
            most = np.maximum(1, np.floor(share * len(lesson.pool) * lesson.common))
            places, guessed = unlabelled.agreed(votes, most)
        return lesson.fit(voters[0], places, guessed)


def other_tap(request: Request) -> Tap | None:
    """A tap of another stage than the embedding's: `APART` before the last if it may be, and pooled as the
    embedding is; None where the source has no other."""
    backbone = request.network
    stages, own = [stage.name for stage in backbone.stages], backbone.embedding
    wanted = len(stages) - 1 - APART

    def far(tap: Tap) -> tuple[bool, int, bool]:
        return tap.stage == own.stage, abs(stages.index(tap.stage) - wanted), tap.grid != own.grid

    return min((tap for tap in backbone.taps() if tap != own), key=far, default=None)
