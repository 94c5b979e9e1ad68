"""CORAL: the source's features get the target's mean and covariance, and the head is fitted again there."""

from __future__ import annotations

from headstart.measure.alignment.coral import coral
from headstart.strategies.adapt._base import Aligned


class Coral(Aligned):
    """See `measure.alignment.coral`."""

    name = "coral"
    align = staticmethod(coral)
