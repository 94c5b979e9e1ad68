"""The leading directions of the source turned into those of the target, under a new head."""

from __future__ import annotations

from headstart.measure.alignment.subspace import subspace
from headstart.strategies.adapt._base import Aligned


class Subspace(Aligned):
    """See `measure.alignment.subspace`."""

    name = "subspace"
    align = staticmethod(subspace)
