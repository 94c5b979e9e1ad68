"""Label propagation: labels go from neighbour to neighbour among the stored features, and a linear model
learns them, each as far as it is certain.

Iscen et al., "Label propagation for deep semi-supervised learning", CVPR 2019
(`headstart.measure.unlabelled.graph`).
"""

from __future__ import annotations

import numpy as np

from headstart.measure import unlabelled
from headstart.strategies._unlabelled import LearnsFromBoth, Lesson
from headstart.tasks.base.fits import Linear

REACH = 0.9
"""Share that comes from neighbours: with the published .99 the largest cluster took all on questions."""


class Propagation(LearnsFromBoth):
    """Neighbours have the same label."""

    name = "propagation"
    told = f"labels spread to the {unlabelled.graph.NEIGHBOURS} nearest"

    def learn(self, lesson: Lesson) -> Linear:
        x = lesson.features(lesson.embedding)
        graph = unlabelled.neighbours(x - x.mean(axis=0))
        seeds = unlabelled.seeds(lesson.y, lesson.request.task.outputs, len(x))
        found = unlabelled.spread(graph, seeds, reach=REACH)
        p = unlabelled.shares(found, lesson.common)[len(lesson.rows) :]
        return lesson.fit(x, np.arange(len(p)), p.argmax(axis=1), unlabelled.certainty(p))
