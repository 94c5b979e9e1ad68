"""What an engine is: a module, or an object in one, that gives the states of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from headstart.core.backbone import Graphed

States = Callable[[Any], dict[str, Any]]
"""A normalised batch -> the states at the cuts it was built for, each in the engine's own numbers."""


class Engine(Protocol):
    """What a module in this room is, or holds."""

    PRECISION: str
    """In which numbers it computes: part of the key of what it gives in the feature store."""
    SETUP: float
    """Seconds that building takes, roughly; a trial builds only what costs a small part of the pass."""

    def suits(self, backbone: Any, device: str) -> str:
        """Nothing where it can compute this network on this kind of device, else why not."""

    def build(self, backbone: Any, cuts: tuple[str, ...]) -> States:
        """The network up to these cuts, to be run without gradients by any number of threads.

        `backbone` is in eval mode, on its device, and left as it is.
        """


def no_graph(backbone: Any, device: str) -> str:
    """`Engine.suits` of what rewrites a network's graph: nothing for a graph on a processor."""
    if device != "cpu":
        return "it is for processors"
    return "" if isinstance(backbone, Graphed) else "its network is no graph"
