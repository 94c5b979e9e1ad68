"""Adapters: strategies that look at unlabelled items of the domain where the model will be used. One file
each.

To add one: a file with an `Adapts` (its `adapt` is all that differs), its `Facts` here, cheapest first. In
a package of your own the facts are an entry point of the group "headstart.adapters".
"""

from __future__ import annotations

from headstart.core.facts import Facts
from headstart.core.registry import Registry, found_at
from headstart.core.strategy import Adapter

_HERE = "headstart.strategies.adapt"
NONE = "none"
"""What everything is held against."""
_OWN = (
    Facts(NONE, f"{_HERE}.unchanged:Unchanged", "adapt", title="no adaptation"),
    Facts("prior", f"{_HERE}.prior:Prior", "adapt", title="prior reweighting", mends=("shares",)),
    Facts("coral", f"{_HERE}.coral:Coral", "adapt", title="CORAL", mends=("linear",)),
    Facts("linot", f"{_HERE}.linot:LinOT", "adapt", title="linear optimal transport", mends=("linear",)),
    Facts("subspace", f"{_HERE}.subspace:Subspace", "adapt", title="subspace alignment"),
    Facts("density", f"{_HERE}.density:Density", "adapt", title="density-ratio weights"),
    Facts("entropic", f"{_HERE}.entropic:Entropic", "adapt", title="entropic optimal transport"),
    Facts("clusters", f"{_HERE}.clusters:Clusters", "adapt", title="a boundary refit on target clusters"),
    Facts("adabn", f"{_HERE}.adabn:AdaBN", "adapt", title="AdaBN", mends=("statistics",)),
)
ADAPTERS: Registry[Facts] = Registry("adapter", {own.name: own for own in _OWN}, group="headstart.adapters")
"""By name, cheapest first."""
_TRAIN = {
    "mcc": ("mcc:Mcc", "minimum class confusion"),
    "deep-coral": ("deep_coral:DeepCoral", "DeepCORAL"),
    "shot": ("shot:Shot", "SHOT"),
    "adamatch": ("adamatch:AdaMatch", "AdaMatch"),
    "mcd": ("mcd:Mcd", "MCD"),
    "dann": ("dann:Dann", "DANN"),
    "cdan": ("cdan:Cdan", "CDAN+E"),
}
DEEP: Registry[Facts] = Registry(
    "deep adapter",
    {n: Facts(n, f"{_HERE}.deep.{at}", "adapt", title=t, trains=True) for n, (at, t) in _TRAIN.items()},
)
"""Those that train the network, by name: asked for by name, for each costs as much as fine-tuning."""


def facts(name: str) -> Facts:
    """What is true of an adapter. Raises `UnknownName`."""
    return DEEP[name] if name in DEEP else ADAPTERS[name]


def get(name: str) -> Adapter:
    """The adapter of that name. Raises `UnknownName`."""
    adapter: Adapter = found_at(facts(name).where)()
    return adapter
