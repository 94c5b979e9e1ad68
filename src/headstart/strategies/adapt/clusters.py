"""Boundary refit: the target is clustered from where an aligned head places the classes, and a head learns
the clusters. The features stay frozen.
"""

from __future__ import annotations

import numpy as np

from headstart.core.strategy import NotApplicable, Request
from headstart.measure.alignment.clusters import clusters
from headstart.measure.alignment.coral import coral
from headstart.strategies.adapt._base import Adapts, Domains, Headed, bring

LEAST = 5
"""Target items a class, on average, without which there are no clusters."""
UNSURE = 1e-3
"""Least margin by which a row counts."""


class Clusters(Adapts):
    """Begins at what CORAL says of the target; see `measure.alignment.clusters`."""

    name = "clusters"

    def adapt(self, request: Request) -> Headed:
        domains = Domains.of(request)
        rows, outputs = domains.target, request.task.outputs
        if len(rows) < LEAST * outputs:
            raise NotApplicable(f"{len(rows):,} target items are too few to find {outputs} clusters")
        brought = bring(domains, coral)
        begun = brought.headed(domains, brought.linear).predict(rows).astype(np.float64)
        x = brought.target(domains.x(rows))
        said, margin = clusters(x - x.mean(axis=0), begun)
        weights = np.maximum(margin, UNSURE)
        linear = domains.fit_on(x, rows, said, weights / weights.mean())
        moved = float((said != begun.argmax(axis=1)).mean())
        return brought.headed(domains, linear, moved=moved)
