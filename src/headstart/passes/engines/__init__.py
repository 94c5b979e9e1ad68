"""Engines: ways to compute the frozen network, by name. Adding one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from headstart.core.registry import Registry

States = Callable[[Any], dict[str, Any]]
"""A normalised batch -> the states at the cuts it was built for, each in the engine's own numbers."""

AUTO, EAGER = "auto", "eager"


class Engine(Protocol):
    """What a module in this room holds."""

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


ENGINES: Registry[Engine] = Registry(
    "engine",
    {
        EAGER: "headstart.passes.engines.eager",
        "folded": "headstart.passes.engines.folded",
        "autocast": "headstart.passes.engines.autocast",
        "fused": "headstart.passes.engines.fused",
        "openvino": "headstart.passes.engines.openvino",
        "openvino-half": "headstart.passes.engines.openvino_half",
        "compiled": "headstart.passes.engines.compiled",
    },
)
"""In the order in which they are tried."""
