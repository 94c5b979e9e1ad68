"""No adaptation: the head of the source as it is. It is always in the pool; everything else is held against
it."""

from __future__ import annotations

from headstart.core.strategy import Request
from headstart.strategies.adapt._base import Adapts, Domains, Headed


class Unchanged(Adapts):
    """A linear head on the source's features."""

    name = "none"

    def adapt(self, request: Request) -> Headed:
        domains = Domains.of(request, least=0)
        linear = domains.fit(domains.x(domains.source))
        return Headed(domains, linear.weight, linear.bias, linear.logits, {"C": linear.penalty})
