"""Strategies: one file, one Strategy. To add one: write the file, add its line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable

from headstart.core.backbone import Backbone
from headstart.core.strategy import Settings, Strategy
from headstart.errors import BadOption, HeadstartError, UnknownName

WHERE = {
    "majority": "headstart.strategies.baselines:Majority",
    "pixels": "headstart.strategies.baselines:Pixels",
    "tfidf": "headstart.strategies.tfidf:Tfidf",
    "random-frozen": "headstart.strategies.probe:RandomFrozen",
    "direct": "headstart.strategies.direct:Direct",
    "probe": "headstart.strategies.probe:Probe",
    "label-names": "headstart.strategies.label_names:LabelNames",
    "contrastive": "headstart.strategies.contrastive:Contrastive",
    "finetune": "headstart.strategies.finetune:Finetune",
    "lora": "headstart.strategies.lora:Lora",
    "bitfit": "headstart.strategies.lora:BitFit",
    "full": "headstart.strategies.finetune:Full",
    "scratch": "headstart.strategies.scratch:Scratch",
    "early-probe": "headstart.strategies.probe:EarlyProbe",
    "finetune-slow": "headstart.strategies.finetune:FinetuneSlow",
    "stack": "headstart.strategies.ensemble:Ensemble",
}
"""Name -> module:class, imported on use."""


def get(name: str) -> Strategy:
    """The strategy of that name. Raises `UnknownName`."""
    if name not in WHERE:
        raise UnknownName("strategy", name, sorted(WHERE))
    module, _, cls = WHERE[name].partition(":")
    strategy: Strategy = getattr(importlib.import_module(module), cls)()
    return strategy


def ready(modality: str) -> None:
    """Import what the simple model on raw input needs: it takes seconds, by which no arm is to be judged."""
    if modality == "text":
        from headstart.strategies import _sparse

        _sparse.ready()


def check(settings: Settings, backbones: Iterable[Backbone]) -> None:
    """Refuse settings that no training can follow, before any has begun.

    A stage to freeze, and linear layers to adapt, must exist in one of the networks at least. Raises
    `BadOption` or `UnknownName`.
    """
    from headstart.strategies import _design
    from headstart.strategies._adapters import resolve
    from headstart.strategies.lora import named_targets

    backbones = list(backbones)
    _design.check(settings, backbones[0].source.modality if backbones else "image")
    freeze, targets = settings.freeze, named_targets(settings.lora_targets)
    if freeze is not None:
        _one_at_least(backbones, lambda backbone: _design.frozen_stage(backbone, freeze))
    if targets:
        _one_at_least(backbones, lambda backbone: resolve(backbone, backbone.tail(backbone.cuts[0]), targets))


def _one_at_least(backbones: Iterable[Backbone], test: Callable[[Backbone], object]) -> None:
    """Raises what `test` raises of the first network when it raises of all."""
    problem: HeadstartError | None = None
    for backbone in backbones:
        try:
            test(backbone)
        except (BadOption, UnknownName) as error:
            problem = problem or error
        else:
            return
    if problem is not None:
        raise problem
