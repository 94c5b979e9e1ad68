"""DANN: the layers are trained against a discriminator, until it cannot tell the domains apart."""

from __future__ import annotations

from torch import Tensor, nn

from headstart.strategies.adapt.deep._base import Deep
from headstart.strategies.adapt.deep._training import Seen, Way, discriminator
from headstart.train.losses.adversarial import domain_loss, reverse


class _Way(Way):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.judge = discriminator(width)

    def forward(self, seen: Seen) -> Tensor:
        source, target = (self.judge(reverse(x, seen.weight))[:, 0] for x in (seen.source, seen.features))
        return domain_loss(source, target)


class Dann(Deep):
    """See `train.losses.adversarial`."""

    name = "dann"

    def way(self, width: int, outputs: int, items: int, head: nn.Linear) -> Way:  # noqa: ARG002
        return _Way(width)
