"""From a folder, or from an architecture and its tensors, to a Backbone of sounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from headstart.core.generator import Generator
from headstart.core.source import Source
from headstart.errors import NetError, SourceError, UnknownName
from headstart.sources.audio import writing
from headstart.sources.audio.files import folder, generation
from headstart.sources.audio.networks import convolutional, recurrent
from headstart.sources.audio.networks.backbone import AudioBackbone, wrap
from headstart.sources.audio.networks.families import FAMILIES
from headstart.sources.files import weights
from headstart.sources.layers import filling
from headstart.sources.text.files.folder import LIBRARY
from headstart.sources.text.networks import transformer

OWN: Mapping[Any, Callable[[Mapping[str, Any]], nn.Module]] = {
    recurrent.ARCH: recurrent.build,
    convolutional.ARCH: convolutional.build,
}
"""Architectures of our own -> what builds them."""


def open_folder(source: Source, root: Path) -> AudioBackbone:
    """The source's network with the weights in its folder; what can write does when it is asked for. Raises
    `SourceError`, `MissingExtra`."""
    layout = folder.read(root, source.spec)
    transformer.library()
    source, tensors = weights.read_folder(layout.weights, source)
    architecture = slim(layout.architecture)
    unused = FAMILIES[architecture["arch"]].UNUSED
    tensors = {name: tensor for name, tensor in tensors.items() if not unused.search(name)}
    network = transformer.fill(architecture, tensors, source.spec)
    source = replace(source, writes=architecture["arch"] in folder.WRITERS)
    found = filling.described(source, network, architecture, layout.contract)
    backbone = wrap(network, found, rebuild=lambda: transformer.build(architecture))
    if not source.writes:
        return backbone
    return writing.WritingSounds.around(backbone, cache(lambda: open_generator(source, root)))


def open_generator(source: Source, root: Path) -> Generator:
    """The whole network in the source's folder, decoder and all. Raises `SourceError`, `MissingExtra`."""
    layout, how = folder.read(root, source.spec), generation.read(root, source.spec)
    tensors = weights.read_folder(layout.weights, source)[1]
    network = transformer.fill(layout.architecture, tensors, source.spec, writing.AUTO)
    return writing.around(network, layout.architecture, how, generation.tokenizer(root, source.spec))


restore_generator = writing.restore


def open_file(source: Source, path: Path) -> AudioBackbone:
    """An architecture of our own with the weights of a file, its digest checked. Raises `SourceError`."""
    with weights.unchanged(path, source.spec):
        weights.check_sha256(path, str(source.sha256), source.spec)
        try:
            return restore(source, weights.read_all(path, source.spec))
        except NetError as error:
            raise SourceError(source.spec, str(error), "install it again") from error


def slim(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """An architecture of `transformers` without what only other uses of the network need."""
    known = FAMILIES[str(architecture["arch"])].KWARGS
    return {**architecture, "kwargs": {**(architecture.get("kwargs") or {}), **known}}


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """A network with random weights, in eval mode; draws from torch's global generator.

    Raises `SourceError`, `MissingExtra`; `UnknownName` for what reads no sounds.
    """
    library, arch = architecture.get("library"), architecture.get("arch")
    if library == recurrent.LIBRARY and arch in OWN:
        return OWN[arch](architecture)
    if library != LIBRARY:
        known = (LIBRARY, recurrent.LIBRARY)
        raise UnknownName("library of networks that read sounds", str(library), known)
    if arch not in FAMILIES:
        raise UnknownName("family of networks that read sounds", str(arch), list(FAMILIES))
    return transformer.build(architecture)


def restore(source: Source, tensors: Mapping[str, Any]) -> AudioBackbone:
    """A network from the state of `Backbone.module`.

    Raises `NetError` when they do not fit, `UnknownName` for what reads no sounds.
    """
    architecture = source.architecture
    arch = str(architecture.get("arch"))
    rebuild: Callable[[], nn.Module] = lambda: build(architecture)  # noqa: E731
    try:
        if architecture.get("library") == LIBRARY and arch in FAMILIES:
            network: nn.Module = transformer.restore(architecture, tensors)
        else:
            network = filling.filled(rebuild, tensors, arch)
        return wrap(network, source, rebuild=rebuild)
    except SourceError as error:
        raise NetError(arch, str(error)) from error
