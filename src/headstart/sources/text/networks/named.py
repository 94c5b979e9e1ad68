"""The second name of a text source, under which it reads the two texts of a pair apart."""

from __future__ import annotations

from dataclasses import replace

from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities.text.preprocessing import BI_ENCODER, CROSS_ENCODER, TextPreprocessing, text_input

ENDING = f" {BI_ENCODER}"


def apart(source: Source) -> Source:
    """The same weights with another contract and another name. Raises `SourceError` for one of images."""
    if not isinstance(source.input, TextPreprocessing):
        raise SourceError(source.spec, "it reads no texts, so it cannot read two of them apart")
    if source.input.apart:
        return source
    return _renamed(source, source.spec + ENDING, source.name + ENDING, BI_ENCODER)


def joint(source: Source) -> Source:
    """Back from `apart`."""
    if not source.input.apart:
        return source
    return _renamed(source, source.spec.removesuffix(ENDING), source.name.removesuffix(ENDING), CROSS_ENCODER)


def _renamed(source: Source, spec: str, name: str, pairs: str) -> Source:
    return replace(source, spec=spec, name=name, input=replace(text_input(source), pairs=pairs))
