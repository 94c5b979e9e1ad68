"""`bundled/NAME`: small sources inside the package, each a weight file with its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart import modalities
from headstart.core.backbone import Backbone
from headstart.core.source import Source
from headstart.errors import SourceError, UnknownName
from headstart.sources.networks import record as records

FOLDER = Path(__file__).parents[1] / "bundled"


def find(spec: str, name: str) -> Source:
    """The record of a bundled source. Raises `UnknownName`; `SourceError` for one without digest."""
    if name not in names():
        raise UnknownName("bundled source", name, names(), listing="headstart sources")
    path = FOLDER / f"{name}.safetensors"
    record = records.read_json(path.with_suffix(".json"), spec)
    whole = isinstance(record.get("input"), Mapping)
    source = _whole(record, spec, path) if whole else records.to_source(record, spec, path)
    if source.sha256 is None:
        raise SourceError(spec, "its record has no sha256, so its weights cannot be trusted")
    return replace(source, name=name)


def _whole(record: Mapping[str, Any], spec: str, path: Path) -> Source:
    """The source of a record that has the preprocessing in full, as a bundle does."""
    contract = modalities.preprocessing_of(record["input"]).from_json(record["input"], {})
    return Source(
        spec,
        str(record["name"]),
        contract.modality,
        {key: record[key] for key in ("library", "arch", "kwargs")},
        input=contract,
        parameters=record["parameters"],
        sha256=record.get("sha256"),
        licence=record["licence"],
        local=path.is_file(),
        size_bytes=path.stat().st_size,
        note=record["note"],
    )


def load(source: Source, *, download: bool = False) -> Backbone:  # noqa: ARG001 - it is always here
    """The network with its weights, their digest checked. Raises `SourceError`."""
    path = FOLDER / f"{source.spec.removeprefix('bundled/')}.safetensors"
    from headstart.sources.audio import opening as of_sounds
    from headstart.sources.networks import opening

    if source.modality == "audio":
        return of_sounds.open_file(source, path)
    return opening.open_file(source, path, {})


def names() -> Sequence[str]:
    """What ships with this version."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if path.with_suffix(".safetensors").is_file())
