"""From a source and its tensors to a Backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.sources import architectures, weights
from headstart.sources.traced import Plan, TracedBackbone, make_plan


def build_quietly(architecture: Mapping[str, Any]) -> nn.Module:
    """A network with random weights that leaves the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        return architectures.build(architecture)


def open_backbone(source: Source, tensors: Mapping[str, Tensor]) -> TracedBackbone:
    """The source's network with these weights.

    The number of classes is found from the tensors when the architecture does not say it.
    Raises `SourceError` when tensors and architecture do not fit together.
    """
    network, plan = _planned(source)
    if source.architecture.get("num_classes") is None:
        found = _classes(network, plan, tensors)
        source = replace(source, architecture={**source.architecture, "num_classes": found})
        if found > 1:
            network, plan = _planned(source)
    return _finish(network, source, plan, tensors)


def wrap(network: nn.Module, source: Source) -> TracedBackbone:
    """A network that already has its weights, built from the source's architecture."""
    plan = make_plan(network, source)
    return TracedBackbone(
        network, source, plan, classifier=_has_classifier(source), rebuild=_rebuilder(source)
    )


class Misfit(Exception):
    """State and architecture do not belong together."""


def restore(source: Source, tensors: Mapping[str, Any], classifier: Mapping[str, Any]) -> TracedBackbone:
    """A network from the states of `Backbone.module` and `Backbone.classifier`. Raises `Misfit`."""
    network, plan = _planned(source)
    backbone = TracedBackbone(network, source, plan, classifier=bool(classifier), rebuild=_rebuilder(source))
    _restore(backbone.module, tensors)
    if backbone.classifier is not None:
        _restore(backbone.classifier, classifier)
    return backbone


def _restore(part: nn.Module, state: Mapping[str, Any]) -> None:
    tensors = {name: _tensor(value) for name, value in state.items()}
    try:
        part.load_state_dict(tensors)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise Misfit(f"does not fit its weights ({' '.join(lines)[:200]})") from error


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))


def _planned(source: Source) -> tuple[nn.Module, Plan]:
    network = build_quietly(source.architecture)
    return network, make_plan(network, source)


def _finish(network: nn.Module, source: Source, plan: Plan, tensors: Mapping[str, Tensor]) -> TracedBackbone:
    backbone = TracedBackbone(
        network, source, plan, classifier=_has_classifier(source), rebuild=_rebuilder(source)
    )
    required = list(backbone.module.state_dict())
    if backbone.classifier is not None:
        required += backbone.classifier.state_dict()
    weights.fill(network, tensors, required, source.spec)
    _check_labels(backbone.source)
    return backbone


def _has_classifier(source: Source) -> bool:
    return bool(source.architecture.get("num_classes"))


def _rebuilder(source: Source) -> Any:
    return lambda: architectures.build(source.architecture)


def _classes(network: nn.Module, plan: Plan, tensors: Mapping[str, Tensor]) -> int:
    """Rows of the last weight of the classifier in the file; 0 when the file has no classifier."""
    head = TracedBackbone(network, Source("", ""), plan).classifier
    names = [name for name, value in head.state_dict().items() if value.ndim > 1] if head else []
    return int(tensors[names[-1]].shape[0]) if names and names[-1] in tensors else 0


def _check_labels(source: Source) -> None:
    classes = int(source.architecture.get("num_classes") or 0)
    if source.labels is not None and classes and len(source.labels) != classes:
        raise SourceError(
            source.spec,
            f"{len(source.labels)} label names are given, but its classifier has {classes} classes",
            "correct the list of labels, or leave it out",
        )
