"""CDAN+E: a discriminator of features and predictions together, that counts sure items more."""

from __future__ import annotations

from torch import Tensor, nn

from headstart.strategies.adapt.deep._base import Deep
from headstart.strategies.adapt.deep._training import Seen, Way, discriminator
from headstart.train.losses.adversarial import domain_loss, reverse
from headstart.train.losses.conditional import Multilinear
from headstart.train.losses.entropy import certainty


class _Way(Way):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.together = Multilinear(width, outputs)
        self.judge = discriminator(self.together.width)

    def forward(self, seen: Seen) -> Tensor:
        logits, hefts = [], []
        for features, z in ((seen.source, seen.source_z), (seen.features, seen.z)):
            p = z.detach().softmax(1)
            logits.append(self.judge(reverse(self.together(features, p), seen.weight))[:, 0])
            hefts.append(certainty(p))
        return domain_loss(logits[0], logits[1], (hefts[0], hefts[1]))


class Cdan(Deep):
    """See `train.losses.conditional`."""

    name = "cdan"

    def way(self, width: int, outputs: int, items: int, head: nn.Linear) -> Way:  # noqa: ARG002
        return _Way(width, outputs)
