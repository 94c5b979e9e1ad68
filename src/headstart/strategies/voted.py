"""Pseudo-labels by a vote of layers of the source: a linear model on each of three, of each class the items
that two of them give to it and that all are most sure of, twice; then a linear model learns them beside the
labels (`headstart.measure.unlabelled.voting`).

What a single model is sure of is no reason to believe it (Arazo et al., IJCNN 2020: confirmation bias).
"""

from __future__ import annotations

import numpy as np

from headstart.core.features import Tap
from headstart.core.strategy import Request
from headstart.measure import unlabelled
from headstart.strategies._unlabelled import LearnsFromBoth, Lesson
from headstart.tasks.base.fits import Linear

SHARES = (0.4, 0.8)
"""Of the items that each class is expected to have, how many it may get in each round."""
APART = (2, 1)
"""Stages between the embedding and the other voters, where there are as many."""
LEAST = 2
"""Voters that must agree. Where there are but two and one of them knows nothing, what both say is what the
other says; a third outvotes it."""


class Voted(LearnsFromBoth):
    """Most of three layers agree."""

    name = "voted"
    told = f"labelled where {LEAST} of three layers agree, in {len(SHARES)} rounds"
    factor = 7.0

    def unsuited(self, request: Request) -> str:
        return "" if others(request) else "the source has one layer to read, and two must agree"

    def learn(self, lesson: Lesson) -> Linear:
        voters = [lesson.features(tap) for tap in (lesson.embedding, *others(lesson.request))]
        places, guessed = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for share in SHARES:
            votes = [lesson.answers(lesson.fit(x, places, guessed), x) for x in voters]
            most = np.maximum(1, np.floor(share * len(lesson.pool) * lesson.common))
            places, guessed = unlabelled.agreed(votes, most, LEAST)
        return lesson.fit(voters[0], places, guessed)


def others(request: Request) -> list[Tap]:
    """Taps of other stages than the embedding's: those `APART` before the last if they may be, and pooled as
    the embedding is. Of a source with one stage another tap of it; none where it has no other."""
    backbone = request.network
    stages, own = [stage.name for stage in backbone.stages], backbone.embedding
    found: list[Tap] = []
    for apart in APART:
        wanted = len(stages) - 1 - apart

        def far(tap: Tap, wanted: int = wanted) -> tuple[bool, int, bool]:
            return tap.stage == own.stage, abs(stages.index(tap.stage) - wanted), tap.grid != own.grid

        found += [min((tap for tap in backbone.taps() if tap not in (own, *found)), key=far, default=own)]
    return [tap for tap in found if tap != own]
