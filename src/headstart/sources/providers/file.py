"""`file:PATH`: a weight file of one's own, described by options or by a side-car JSON.

`file:models/birds.safetensors` reads `models/birds.json` beside it (its form:
`headstart.sources.networks.record`).
Options after a question mark come before the side-car's fields:

    file:birds.pth?arch=timm/resnet18&input=128&mean=0.5,0.5,0.5&std=0.5,0.5,0.5&labels=names.txt

with `arch` (LIBRARY/NAME), `input` (160, or 160x200), `mean`, `std`, `crop_pct`, `interpolation`,
`crop_mode`, `num_classes`, `labels` (a text file, one name a line, relative to the weights), `name`, and
`prefix` (which part of the file is the network, such as teacher.backbone, where it holds several).

The path of a folder with a config.json is a model of Hugging Face, see `headstart.sources.providers.hf`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headstart.core.backbone import Backbone
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.sources.files.paths import with_options
from headstart.sources.networks import record as records
from headstart.sources.providers import _folders
from headstart.sources.text.files import characters
from headstart.sources.text.files import folder as texts


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _size(text: str) -> tuple[int, ...]:
    sides = tuple(int(part) for part in text.lower().split("x"))
    if len(sides) > 2:
        raise ValueError(text)
    return sides * (3 - len(sides))


OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "arch": str, "input": _size, "mean": _numbers, "std": _numbers, "crop_pct": float,
    "interpolation": str, "crop_mode": str, "num_classes": int, "labels": str, "name": str, "prefix": str,
}  # fmt: skip


def find(spec: str, name: str) -> Source:
    """The record of a weight file. Raises `SourceError`."""
    from headstart.sources.files.weights import SUFFIXES

    path, options = split(spec, name)
    if texts.is_model(path) and not options:
        return _folders.described(Source(spec, path.resolve().name, input=TextPreprocessing("")), path)
    if not path.is_file():
        what = "is a folder without a model in it" if path.is_dir() else "is not there"
        raise SourceError(spec, f"{path} {what}", "correct the path")
    if path.suffix not in SUFFIXES:
        raise SourceError(spec, f"a weight file ends in {', '.join(SUFFIXES)}", "name one of those")
    fields = _described(path, options, spec)
    told = characters if characters.is_one(fields) else records
    return told.to_source(fields, spec, path)


def files(spec: str, name: str) -> tuple[Path, ...]:
    """The weights and what describes them. Raises `SourceError`."""
    path, options = split(spec, name)
    if texts.is_model(path) and not options:
        return texts.files(path, spec)
    named = [path, path.with_suffix(".json")]
    if path.is_file():
        fields = _described(path, options, spec)
        named += [characters.numbers_at(fields, path, spec)] if characters.is_one(fields) else []
    return tuple(one for one in named if one.is_file())


def split(spec: str, name: str) -> tuple[Path, dict[str, Any]]:
    """The path and the options of a spec. Raises `SourceError` for options that cannot be read."""
    path, given = with_options(name, spec, OPTIONS)
    options: dict[str, Any] = {}
    for key, value in given.items():
        try:
            options[key] = OPTIONS[key](value)
        except ValueError:
            raise SourceError(spec, f"its option {key}={value} cannot be read") from None
    return path, options


def _described(path: Path, options: dict[str, Any], spec: str) -> dict[str, Any]:
    beside = path.with_suffix(".json")
    found = records.read_json(beside, spec) if beside.is_file() else {}
    if "arch" in options:  # another architecture: what belongs to the old one goes
        found = {k: v for k, v in found.items() if k not in records.ARCHITECTURE}
    if "labels" in options:  # named by whoever asks, so that it may lie anywhere
        options = {**options, "labels": records.names_in(path.parent / options["labels"], spec)}
    return {**found, **options}


def load(source: Source, *, download: bool = False) -> Backbone:  # noqa: ARG001 - it is here or nowhere
    """The network with the file's weights. Raises `SourceError`."""
    spec = source.spec
    path, options = split(spec, spec.removeprefix("file:"))
    if texts.is_model(path):
        return _folders.opened(source, path)
    fields = _described(path, options, spec)
    if characters.is_one(fields):
        from headstart.sources.text.opening import open_characters

        return open_characters(source, path, fields)
    from headstart.sources.networks import opening

    return opening.open_file(source, path, fields)
