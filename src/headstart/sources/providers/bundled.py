"""`bundled/NAME`: small sources inside the package, each a weight file with its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.core.source import Source
from headstart.errors import SourceError, UnknownName
from headstart.sources.networks import record as records

if TYPE_CHECKING:
    from headstart.sources.cuts.traced import TracedBackbone

FOLDER = Path(__file__).parents[1] / "bundled"


def find(spec: str, name: str) -> Source:
    """The record of a bundled source. Raises `UnknownName`; `SourceError` for one without digest."""
    if name not in names():
        raise UnknownName("bundled source", name, names(), listing="headstart sources")
    path = FOLDER / f"{name}.safetensors"
    source = records.to_source(records.read_json(path.with_suffix(".json"), spec), spec, path)
    if source.sha256 is None:
        raise SourceError(spec, "its record has no sha256, so its weights cannot be trusted")
    return replace(source, name=name)


describe = find


def load(source: Source, *, download: bool = False) -> TracedBackbone:  # noqa: ARG001 - it is always here
    """The network with its weights, their digest checked. Raises `SourceError`."""
    name = source.spec.removeprefix("bundled/")
    from headstart.sources.networks import opening

    return opening.open_file(source, FOLDER / f"{name}.safetensors", {})


def names() -> Sequence[str]:
    """What ships with this version."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if path.with_suffix(".safetensors").is_file())
