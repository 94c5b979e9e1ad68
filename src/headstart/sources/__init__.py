"""Sources: pretrained models by name, and the Backbones made from them.

A spec is `bundled/NAME`, `timm/NAME`, `torchvision/NAME` or `file:PATH` (see `providers`). Finding
and listing load no weights and open no socket; `load` fetches weights only when it is allowed to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from headstart.core.source import Contract, Source
from headstart.errors import NetError
from headstart.sources import providers, recommended

if TYPE_CHECKING:
    from headstart.sources.traced import TracedBackbone

__all__ = [
    "at_hand",
    "available",
    "backbone_from_module",
    "build",
    "find",
    "from_state",
    "frozen_digest",
    "load",
]


FEW = 12
"""So many sources found by a search have their parameters counted, which takes a moment each."""


def find(spec: str) -> Source:
    """The record of a source. No weights are loaded, no socket is opened.

    Raises `SourceError` for a spec that cannot be read, `UnknownName` for a name that does not exist.
    """
    provider, name = providers.of(spec)
    source: Source = provider.find(spec, name)
    return source


def load(source: Source | str, *, download: bool = False) -> TracedBackbone:
    """The source's network with its weights, on the CPU and in eval mode.

    Weights that are not on this machine are fetched through their hub's own cache when `download`
    is true or HEADSTART_DOWNLOAD=1; otherwise `WeightsMissing` is raised. Raises `SourceError` when
    a file is damaged, is not the file it should be, or does not fit the architecture.
    """
    found = find(source) if isinstance(source, str) else source
    provider, _ = providers.of(found.spec)
    backbone: TracedBackbone = provider.load(found, download=download)
    return backbone


def available(search: str = "", modality: str = "image", local: bool = False) -> list[Source]:
    """Sources that match `search` (part of a spec, or a pattern with * and ?; case does not count).

    Without `search` the bundled and the recommended ones; with it every model of every library. With
    `local` only those whose weights are on this machine. No weights are loaded, no socket is opened.
    """
    if modality != "image":
        return []
    found = _search(search.lower()) if search else [*_bundled(), *recommended.every()]
    return [source for source in found if source.local or not local]


def at_hand() -> list[Source]:
    """Bundled sources, and recommended ones whose weights are on this machine."""
    return [*_bundled(), *(source for source in recommended.every() if source.local)]


def _bundled() -> list[Source]:
    provider, _ = providers.of("bundled/?")
    return [provider.find(f"bundled/{name}", name) for name in provider.names()]


def _search(text: str) -> list[Source]:
    pattern = text if set(text) & set("*?[") else f"*{text}*"
    specs = [f"{prefix}{name}" for prefix in providers.PROVIDERS for name in _names(prefix)]
    specs = [spec for spec in specs if fnmatch(spec.lower(), pattern)]
    return [find(spec) if len(specs) <= FEW else _describe(spec) for spec in specs]


def _names(prefix: str) -> Iterable[str]:
    provider, _ = providers.of(f"{prefix}?")
    return provider.names()  # type: ignore[no-any-return]


def _describe(spec: str) -> Source:
    provider, name = providers.of(spec)
    found: Source = provider.describe(spec, name)
    return found


def build(architecture: Mapping[str, Any], *, classifier: bool) -> Any:
    """A `torch.nn.Module` with random weights from an architecture in JSON, in eval mode.

    With `classifier` the whole network (of at least one class); without it the network up to the
    embedding, for which its input size is taken from the architecture's own recipe. torch's global
    generator is left as it was. Raises `SourceError` or `UnknownName`.
    """
    from headstart.sources import opening

    network = opening.build_quietly(architecture)
    if classifier:
        return network
    source = Source("", str(architecture.get("arch", "")), architecture=architecture)
    return opening.wrap(network, source).module


def from_state(
    architecture: Mapping[str, Any],
    input: Contract,
    tensors: Mapping[str, Any],
    classifier: Mapping[str, Any] | None = None,
    *,
    source: Source | None = None,
) -> TracedBackbone:
    """The backbone of an architecture with the given weights.

    `tensors` is the state of `Backbone.module`, `classifier` that of `Backbone.classifier` (None or
    empty: without one); arrays of numpy or tensors. Raises `NetError` when names or shapes do not
    fit, `SourceError` or `UnknownName` for an architecture that cannot be built.
    """
    from headstart.sources import opening

    record = source or Source("", str(architecture.get("arch", "")), architecture=architecture, input=input)
    try:
        return opening.restore(record, tensors, classifier or {})
    except opening.Misfit as error:
        raise NetError(str(architecture.get("arch", "?")), str(error)) from error


def backbone_from_module(module: Any, source: Source, *, classifier: bool = True) -> TracedBackbone:
    """A backbone around any `torch.nn.Module` that torch.fx can follow.

    With `classifier` the module ends in one (its last layer with weights, and what follows);
    without, its output is the embedding. The module is put into eval mode and made to work out of
    place. Raises `SourceError`.
    """
    from headstart.sources.traced import TracedBackbone, make_plan

    return TracedBackbone(module, source, make_plan(module, source, head=classifier))


def frozen_digest(backbone: Any, cut: str) -> str:
    """Fingerprint of everything before `cut` that training must leave alone: weights and buffers."""
    from headstart.sources import traced

    return traced.frozen_digest(backbone, cut)
