"""The cheapest linear map of the source onto the target, and the head fitted again there."""

from __future__ import annotations

from headstart.measure.alignment.linot import linot
from headstart.strategies.adapt._base import Aligned


class LinOT(Aligned):
    """See `measure.alignment.linot`."""

    name = "linot"
    align = staticmethod(linot)
