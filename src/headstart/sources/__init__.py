"""Sources: pretrained models by name, and the Backbones made from them.

A spec is `package/NAME`, `bundled/NAME`, `timm/NAME`, `torchvision/NAME` or `file:PATH` for images;
`package/NAME`, `hf/NAME`, `hf:PATH`, `file:PATH` or `vectors:PATH` for texts, and but for the last for sounds
(see `providers`). Finding and listing load no weights and open no socket; `load` fetches weights only when it
is allowed to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart import modalities
from headstart.core.backbone import Backbone
from headstart.core.generator import Generator, Writing
from headstart.core.source import Preprocessing, Source
from headstart.errors import MissingExtra, SourceError, UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources import providers
from headstart.sources.files import audit
from headstart.sources.providers import recommended
from headstart.sources.text.networks import named
from headstart.sources.text.networks.named import joint

if TYPE_CHECKING:
    from headstart.sources.cuts.traced import TracedBackbone

__all__ = [
    "apart",
    "at_hand",
    "available",
    "backbone_from_module",
    "build",
    "files",
    "find",
    "from_state",
    "joint",
    "libraries",
    "load",
    "stronger",
]


SHIPPED = ("package/", "bundled/")
"""Prefixes of the sources that come by installation, those worth most first."""
RESTORED_BY = {"text": "headstart.sources.text.opening", "audio": "headstart.sources.audio.opening"}
"""Modality -> the module that puts weights into its networks; those of images are the others'."""
FEW = 12
"""So many sources found by a search have their parameters counted, which takes a moment each."""


def find(spec: str) -> Source:
    """The record of a source. No weights are loaded, no socket is opened.

    "SPEC apart" is a text source that reads the two texts of a pair apart. Raises `SourceError` for a spec
    that cannot be read, `UnknownName` for a name that does not exist, `MissingExtra` for a source that comes
    with a package that is not installed.
    """
    plain = spec.removesuffix(named.ENDING)
    provider, name = providers.of(plain)
    source: Source = provider.find(plain, name)
    return source if plain == spec else named.apart(source)


def files(spec: str) -> tuple[Path, ...]:
    """What a source that is named by its path is made of: with a change of one it is another source.

    Empty for those that a library, a hub or Headstart itself knows by name. Raises `SourceError`.
    """
    plain = spec.removesuffix(named.ENDING)
    provider, name = providers.of(plain)
    made_of = getattr(provider, "files", None)
    return made_of(plain, name) if made_of is not None else ()


def load(source: Source | str, *, download: bool = False) -> Backbone:
    """The source's network with its weights, on the CPU and in eval mode.

    Weights that are not on this machine are fetched through their hub's own cache when `download`
    is true or HEADSTART_DOWNLOAD=1; otherwise `WeightsMissing` is raised. Raises `SourceError` when
    a file is damaged, is not the file it should be, or does not fit the architecture.
    """
    found = find(source) if isinstance(source, str) else source
    plain = named.joint(found)
    provider, _ = providers.of(plain.spec)
    backbone: Backbone = provider.load(plain, download=download)
    return backbone if plain is found else apart(backbone)


def libraries(found: Iterable[Source]) -> tuple[str, ...]:
    """The modules whose import takes most of the time when these are opened, torch first."""
    known = {str(source.architecture.get("library", "")) for source in found}
    return ("torch", *sorted(known & {"timm", "torchvision", "transformers"}))


def apart(source: Any) -> Any:
    """A text source, or its backbone, as "NAME apart": it reads the two texts of a pair one by one.

    The weights are the same, in memory too: a backbone is not copied. Raises `SourceError` for a source of
    images.
    """
    if isinstance(source, Source):
        return named.apart(source)
    named.apart(source.source)  # refuses what is no text source
    return source.apart()


def stronger(modality: str, used: Iterable[Source] = ()) -> str:
    """The one command, or the options, that would add a source stronger than those `used`; "" when none is
    known that is not on this machine already."""
    best = max((source.prior or 0.0 for source in used), default=0.0)
    for spec in recommended.STRONGER.get(modality, ()):
        source = _describe(spec)
        if not source.local and (source.prior is None or source.prior > best):
            provider, name = providers.of(spec)
            return provider.command(name) if hasattr(provider, "command") else f"--source {spec} --download"
    return ""


def available(search: str = "", modality: str = "image", local: bool = False) -> list[Source]:
    """Sources that match `search` (part of a spec, or a pattern with * and ?; case does not count).

    Without `search` those that need no download and the recommended ones; with it every model of every
    library (of the Hugging Face hub: recommended and cached ones). With `local` only those whose weights
    are on this machine. No weights are loaded, no socket is opened. Raises `UnknownName` for a modality that
    there is not.
    """
    modalities.get(modality)
    found = (
        _search(search.lower(), modality)
        if search
        else [*_shipped(modality), *(_describe(spec) for spec in recommended.specs(modality))]
    )
    return [source for source in found if source.local or not local]


def at_hand(modality: str = "image") -> list[Source]:
    """Sources that came by installation, and recommended ones whose weights are on this machine."""
    return available(modality=modality, local=True)


def _shipped(modality: str) -> list[Source]:
    prefixes = [prefix for prefix in SHIPPED if modality in providers.modalities(prefix)]
    found = [_describe(f"{prefix}{name}") for prefix in prefixes for name in _names(prefix)]
    return [source for source in found if source.modality == modality]


def _search(text: str, modality: str) -> list[Source]:
    pattern = text if set(text) & set("*?[") else f"*{text}*"
    by_name = [prefix for prefix in providers.PROVIDERS if not prefix.endswith(":")]  # the others take a path
    prefixes = [prefix for prefix in by_name if modality in providers.modalities(prefix)]
    specs = [f"{prefix}{name}" for prefix in prefixes for name in _names(prefix)]
    specs = [spec for spec in specs if fnmatch(spec.lower(), pattern)]
    found = [_counted(spec) if len(specs) <= FEW else _describe(spec) for spec in specs]
    return [source for source in found if source.modality in ("", modality)]


def _names(prefix: str) -> Iterable[str]:
    provider, _ = providers.of(f"{prefix}?")
    return provider.names()  # type: ignore[no-any-return]


def _counted(spec: str) -> Source:
    try:
        return find(spec)
    except (MissingExtra, SourceError):  # it is listed all the same, as not being here
        return _describe(spec)


def _describe(spec: str) -> Source:
    provider, name = providers.of(spec)
    found: Source = getattr(provider, "describe", provider.find)(spec, name)
    return found


def build(architecture: Mapping[str, Any], *, classifier: bool) -> Any:
    """A `torch.nn.Module` with random weights from an architecture in JSON, in eval mode.

    With `classifier` the whole network (of at least one class); without it the network up to the
    embedding, for which its input size is taken from the architecture's own recipe. torch's global
    generator is left as it was. Raises `SourceError` or `UnknownName`.
    """
    from headstart.sources.networks import opening

    network = opening.build_quietly(architecture)
    if classifier:
        return network
    name = str(architecture.get("arch", ""))
    source = Source("", name, architecture=architecture, input=ImagePreprocessing())
    return opening.wrap(network, source).module


def from_state(
    architecture: Mapping[str, Any],
    input: Preprocessing,
    tensors: Mapping[str, Any],
    classifier: Mapping[str, Any] | None = None,
) -> Backbone:
    """The backbone of an architecture with the given weights.

    `tensors` is the state of `Backbone.module`, `classifier` that of `Backbone.classifier` (None or
    empty: without one); arrays of numpy or tensors. Raises `NetError` when names or shapes do not
    fit, `SourceError` or `UnknownName` for an architecture that cannot be built.
    """
    audit.check(architecture)
    name = str(architecture.get("arch", ""))
    record = Source("", name, input.modality, architecture, input=input)
    if input.modality in RESTORED_BY:
        found: Backbone = import_module(RESTORED_BY[input.modality]).restore(record, tensors)
        return found
    from headstart.sources.networks import opening

    return opening.restore(record, tensors, classifier or {})


def detector(architecture: Mapping[str, Any], tensors: Mapping[str, Any]) -> Any:
    """A whole detector (a torch module) of an architecture that counts "boxes", with the given weights.

    Raises `SourceError` when these do not fit, and for what cannot be built.
    """
    from headstart.sources.networks import opening

    return opening.detector_of(architecture, tensors, str(architecture.get("arch", "?")))


def boxes_of(detector: Any, prepared: Any) -> list[dict[str, Any]]:
    """What a detector says of a prepared batch (`sources.networks.detectors.found`)."""
    from headstart.sources.networks import detectors

    return detectors.found(detector, prepared)


def generator_from_state(
    architecture: Mapping[str, Any],
    input: Preprocessing,
    tensors: Mapping[str, Any],
    how: Writing,
    tokenizer: str,
) -> Generator:
    """The network that writes of an architecture, with the given weights (`core.generator`).

    Raises `NetError` when names or shapes do not fit, `SourceError` or `UnknownName` for an architecture that
    cannot be built, or that does not write.
    """
    audit.check(architecture)
    restored = getattr(_restoring(input.modality), "restore_generator", None)
    if restored is None:
        raise UnknownName("kind of data that texts are written of", input.modality, sorted(RESTORED_BY))
    found: Generator = restored(architecture, tensors, how, tokenizer)
    return found


def _restoring(modality: str) -> Any:
    return import_module(RESTORED_BY[modality]) if modality in RESTORED_BY else None


def mapped(backbone: Backbone, size: tuple[int, int]) -> Backbone:
    """The network on whole images scaled to about that height and width (`core.backbone.Mapped`).

    Raises `SourceError` for one without maps.
    """
    from headstart.sources.cuts.traced import TracedBackbone
    from headstart.sources.networks import mapped as maps

    if not isinstance(backbone, TracedBackbone):
        raise SourceError(backbone.source.spec, "it has no maps to read", "name a convolutional network")
    return maps.mapped(backbone, size)


def backbone_from_module(module: Any, source: Source, *, classifier: bool = True) -> TracedBackbone:
    """A backbone around any `torch.nn.Module` that torch.fx can follow.

    With `classifier` the module ends in one (its last layer with weights, and what follows);
    without, its output is the embedding. The module is put into eval mode and made to work out of
    place. Raises `SourceError`.
    """
    from headstart.sources.cuts.traced import TracedBackbone, make_plan

    return TracedBackbone(module, source, make_plan(module, source, head=classifier))
