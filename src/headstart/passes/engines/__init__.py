"""Engines: ways to compute the frozen network, by name. Adding one is a file and a line here."""

from __future__ import annotations

from headstart.core.registry import Registry
from headstart.passes.engines.base import Engine

AUTO, EAGER = "auto", "eager"

ENGINES: Registry[Engine] = Registry(
    "engine",
    {
        EAGER: "headstart.passes.engines.eager",
        "folded": "headstart.passes.engines.folded:FOLDED",
        "autocast": "headstart.passes.engines.autocast",
        "fused": "headstart.passes.engines.folded:FUSED",
        "openvino": "headstart.passes.engines.openvino:FULL",
        "openvino-half": "headstart.passes.engines.openvino:HALF",
        "compiled": "headstart.passes.engines.folded:COMPILED",
    },
)
"""In the order in which they are tried."""
