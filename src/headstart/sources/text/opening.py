"""From a folder, or from an architecture and its tensors, to a text Backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.core.generator import Generator, Writing
from headstart.core.source import Source
from headstart.core.untrusted import Damaged
from headstart.errors import NetError, SourceError, UnknownName
from headstart.modalities.text import largest_number
from headstart.modalities.text.preprocessing import TextPreprocessing, text_input
from headstart.sources.files import weights
from headstart.sources.layers import filling
from headstart.sources.text.files import characters as records
from headstart.sources.text.files import folder, generation
from headstart.sources.text.files.tokenizer import SETTINGS
from headstart.sources.text.files.vectors import ARCH, LIBRARY, from_arrays
from headstart.sources.text.generators import characters as by_character
from headstart.sources.text.generators import writing
from headstart.sources.text.networks import backbone as backbones
from headstart.sources.text.networks import characters, transformer
from headstart.sources.text.networks.backbone import TextBackbone
from headstart.sources.text.networks.bag import Vectors, WordBackbone, of_table
from headstart.sources.text.networks.characters import CharacterBackbone


def open_folder(source: Source, root: Path) -> TextBackbone:
    """The source's network with the weights in its folder. Raises `SourceError`, `MissingExtra`."""
    layout = folder.read(root, source.spec)
    transformer.library()
    architecture = layout.architecture
    source, tensors = weights.read_folder(layout.weights, source)
    network = transformer.fill(architecture, tensors, source.spec)
    _check_words(network, layout.contract, source.spec)
    found = filling.described(source, network, architecture, layout.contract)
    if folder.writes(architecture):
        found = replace(found, writes=True)
    backbone = backbones.wrap(network, found, rebuild=lambda: transformer.build(architecture))
    _check_length(backbone, layout.contract, source.spec)
    if not found.writes:
        return backbone
    return writing.of(backbone, cache(lambda: open_generator(found, root, network)))


def open_generator(source: Source, root: Path, part: nn.Module) -> Generator:
    """The whole network in the source's folder, decoder and all; the weights of the `part` that is open
    already are in memory once. Raises `SourceError`, `MissingExtra`."""
    layout = folder.read(root, source.spec)
    architecture, how = layout.architecture, generation.read(layout)
    kind = writing.AUTO[writing.is_pair(architecture)]
    network = transformer.fill(
        architecture, weights.read_folder(layout.weights, source)[1], source.spec, kind
    )
    filling.share(part, network)
    return writing.around(network, architecture, how, layout.contract.encoder)


def restore_generator(
    architecture: Mapping[str, Any], tensors: Mapping[str, Any], how: Writing, tokenizer: str
) -> Generator:
    """A generator from the state of its network, tensors that are shared under one of their names. Raises
    `NetError` when they do not fit."""
    if records.is_one(architecture):
        whole = filling.filled(lambda: characters.build(architecture), tensors, records.ARCH)
        return by_character.around(whole, architecture, how, tokenizer)
    network = filling.filled_shared(lambda: writing.build(architecture), tensors, str(architecture["arch"]))
    return writing.around(network, architecture, how, tokenizer)


def open_sentences(source: Source, path: Path) -> TextBackbone:
    """The folder of a weight file in a package. Raises `SourceError`, `MissingExtra`."""
    return open_folder(source, path.parent)


def open_characters(source: Source, path: Path, record: Mapping[str, Any]) -> CharacterBackbone:
    """A network of characters in a weight file, and what writes. Raises `SourceError`."""
    source, tensors = weights.read_folder([path], source)
    architecture, contract = records.sized(source, tensors), text_input(source)
    try:
        network = filling.filled(
            lambda: characters.build(architecture), records.renamed(tensors), records.ARCH
        )
    except NetError as error:
        raise SourceError(source.spec, str(error), "fetch it again") from error
    if largest_number(contract) >= architecture["kwargs"]["vocabulary"]:
        problem = "its characters have larger numbers than its network knows"
        raise SourceError(source.spec, problem, "take the numbers that the network was trained with")
    found = filling.described(source, network.reader, architecture, contract)
    backbone = CharacterBackbone(network.reader, found)
    how = records.writing(record, source, source.spec)
    backbone.opened = by_character.around(network, architecture, how, contract.encoder)
    return backbone


def open_vectors(source: Source, numbers: Path, words: Path) -> WordBackbone:
    """Word vectors in an array, and their words in a table. Raises `SourceError`."""
    return of_table(from_arrays(numbers, words, source.spec), source)


MOST_TRIED = 1_024
"""Tokens of the longest text whose embeddings are computed to see that there are as many positions."""


@torch.no_grad()
def _check_length(backbone: TextBackbone, contract: TextPreprocessing, spec: str) -> None:
    """Raises `SourceError` for a network that has fewer positions than its files say."""
    if contract.max_length > MOST_TRIED:
        return
    x = torch.zeros(1, contract.channels, contract.max_length, dtype=torch.long)
    x[:, 0::3], x[:, 1::3] = int(contract.pad == 0), 1  # fillers may not be counted
    try:
        backbone.states(x, backbone.cuts[1:2])
    except (IndexError, RuntimeError) as error:
        problem = f"it cannot read texts of {contract.max_length:,} tokens, as its files say"
        remedy = f"write a smaller model_max_length into its {SETTINGS}"
        raise SourceError(spec, f"{problem} ({transformer.reason(error)})", remedy) from error


def _check_words(network: Any, contract: TextPreprocessing, spec: str) -> None:
    """Raises `SourceError` for a tokenizer that gives numbers for which the network has no embedding."""
    try:
        largest = largest_number(contract)
    except Damaged as error:
        raise SourceError(spec, f"its tokenizer cannot be used ({error})", "fetch it again") from error
    with transformer.running(spec):
        rows = network.get_input_embeddings().num_embeddings
    if largest >= rows:
        problem = f"its tokenizer numbers tokens up to {largest:,}, but its network knows {rows:,}"
        raise SourceError(spec, problem, "tokenizer and weights are not of one model: fetch them again")


def restore(source: Source, tensors: Mapping[str, Any]) -> TextBackbone | WordBackbone:
    """A network from the state of `Backbone.module`.

    Raises `NetError` when they do not fit, `UnknownName` for a library that has no networks for texts.
    """
    library = str(source.architecture.get("library", ""))
    if library == LIBRARY and source.architecture.get("arch") == ARCH:
        sizes = source.architecture["kwargs"]
        words, width = int(sizes["words"]), int(sizes["width"])
        return WordBackbone(filling.filled(lambda: Vectors(words, width), tensors, ARCH), source)
    if records.is_one(source.architecture):
        architecture = source.architecture
        return CharacterBackbone(
            filling.filled(lambda: characters.build(architecture).reader, tensors, records.ARCH), source
        )
    if library != folder.LIBRARY:
        raise UnknownName("library of text networks", library, (folder.LIBRARY, LIBRARY))
    architecture = source.architecture
    network = transformer.restore(architecture, tensors)
    try:
        return backbones.wrap(network, source, rebuild=lambda: transformer.build(architecture))
    except SourceError as error:
        raise NetError(str(architecture["arch"]), str(error)) from error
