"""Density ratio: source rows count the more, the more they look like the target."""

from __future__ import annotations

from headstart.core.strategy import NotApplicable, Request
from headstart.measure.alignment.density import LEAST_SHARE, density_weights, effective
from headstart.measure.shift.separation import domain_auc
from headstart.strategies.adapt._base import Adapts, Domains, Headed


class Density(Adapts):
    """See `measure.alignment.density`."""

    name = "density"

    def adapt(self, request: Request) -> Headed:
        domains = Domains.of(request)
        x = domains.x(domains.source)
        told = domain_auc(domains.xs, domains.xt, seed=request.seed)
        weights = density_weights(told.scores[: len(x)])
        alike = effective(weights)
        if alike < LEAST_SHARE * len(x):
            raise NotApplicable(f"of {len(x):,} source items about {alike:.0f} look like the target")
        linear = domains.fit(x, weights)
        choices = {"C": linear.penalty, "effective": alike}
        return Headed(domains, linear.weight, linear.bias, linear.logits, choices)
