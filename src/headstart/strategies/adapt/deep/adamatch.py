"""AdaMatch: the target's items are learnt as they look, by what the model says of them as they are.

Weak views are the items as they are. Strong ones are stored views, or views of the pixels; where the modality
has neither, the features with half of them dropped.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from headstart.strategies.adapt.deep._base import Deep
from headstart.strategies.adapt.deep._training import Seen, Way
from headstart.train.losses.adamatch import adamatch

DROPPED = 0.5


class _Way(Way):
    def forward(self, seen: Seen) -> Tensor:
        strong = seen.z if seen.varied else seen.head(functional.dropout(seen.features, DROPPED))
        return seen.weight * adamatch(seen.plain(), strong, seen.source_z)


class AdaMatch(Deep):
    """See `train.losses.adamatch`."""

    name = "adamatch"

    def way(self, width: int, outputs: int, items: int, head: nn.Linear) -> Way:  # noqa: ARG002
        return _Way()
