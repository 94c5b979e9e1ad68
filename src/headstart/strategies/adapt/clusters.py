"""Boundary refit: the target is clustered from where an aligned head places the classes, and a head learns
the clusters. The features stay frozen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.core.strategy import NotApplicable, Request
from headstart.measure.alignment.clusters import clusters
from headstart.measure.alignment.linot import linot
from headstart.strategies.adapt._base import Adapts, Domains, Headed, bring

LEAST = 5
"""Target items a class, on average, without which there are no clusters."""
UNSURE = 1e-3
"""Least margin by which a row counts."""


class Clusters(Adapts):
    """Begins at what linear optimal transport says of the target; see `measure.alignment.clusters`.

    Its head has learnt the target's clusters and not the source's labels, so held-out rows of the source
    are no test of it. What can be tested on them is what it rests on, that the classes are clusters: the
    source's rows are clustered as a target would be.
    """

    name = "clusters"
    itself = True

    def adapt(self, request: Request) -> Headed:
        domains = _usable(request)
        rows = domains.target
        brought = bring(domains, linot)
        begun = brought.headed(domains, brought.linear).predict(rows).astype(np.float64)
        x = brought.target(domains.x(rows))
        said, margin = clusters(x - x.mean(axis=0), begun)
        weights = np.maximum(margin, UNSURE)
        linear = domains.fit_on(x, rows, said, weights / weights.mean())
        moved = float((said != begun.argmax(axis=1)).mean())
        return brought.headed(domains, linear, moved=moved)

    def of_fold(self, request: Request, number: int) -> Headed:  # noqa: ARG002
        """Of the source as its own target, of which the held-out rows have no label."""
        _usable(request)
        found = self.adapt(replace(request, target=request.split.development))
        return replace(found, source_logits=lambda x: x @ found.weight.T + found.bias)


def _usable(request: Request) -> Domains:
    """Raises `NotApplicable` for fewer items than make clusters."""
    domains, outputs = Domains.of(request), request.task.outputs
    if len(domains.target) < LEAST * outputs:
        raise NotApplicable(f"{len(domains.target):,} target items are too few to find {outputs} clusters")
    return domains
