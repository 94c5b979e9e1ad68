"""Folders of Hugging Face with an encoder of sounds: read without loading any weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.core import untrusted
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities.audio.preprocessing import AST, UNIT, WAVE, WHISPER, AudioPreprocessing
from headstart.sources.files.weights import readable
from headstart.sources.text.files import folder as folders
from headstart.sources.text.files.modules import record

SETTINGS = "preprocessor_config.json"
PROCESSOR = "processor_config.json"
"""Where newer versions of `transformers` put the same, under "feature_extractor"."""
WAVES = ("wav2vec2", "hubert", "wavlm")
"""Model types that read samples."""
WRITERS = ("whisper",)
"""Model types with a decoder that writes."""


@dataclass(frozen=True)
class Layout:
    """What a folder says; no weights yet."""

    architecture: dict[str, Any]
    contract: AudioPreprocessing
    weights: tuple[Path, ...]


def is_usable(root: Path) -> bool:
    """Whether it says how recordings are to be prepared."""
    return (root / SETTINGS).is_file() or (root / PROCESSOR).is_file()


def read(root: Path, spec: str) -> Layout:
    """Raises `SourceError` for what is missing, damaged or not supported."""
    with readable(spec, f"the files in {root} cannot be used", "fetch it again"):  # fields of other types
        config = record(root / "config.json", spec)
        contract = contract_of(config, _settings(root, spec))
        AudioPreprocessing.audit(contract.to_json())
        return Layout(folders.architecture(config, spec), contract, _weights(root, spec))


def _settings(root: Path, spec: str) -> dict[str, Any]:
    if (root / SETTINGS).is_file():
        return record(root / SETTINGS, spec)
    if not (root / PROCESSOR).is_file():
        problem = f"there is no {SETTINGS} in {root}, which says how recordings are to be prepared"
        raise SourceError(spec, problem, "fetch it again")
    return untrusted.field(record(root / PROCESSOR, spec), "feature_extractor", dict)  # type: ignore[no-any-return]


def _weights(root: Path, spec: str) -> tuple[Path, ...]:
    found = folders.weight_files(root, spec)
    pickled = [path.name for path in found if path.suffix != ".safetensors"]
    if pickled:
        problem = f"its weights are {pickled[0]}, and those of sounds are read from .safetensors alone"
        raise SourceError(spec, problem, "take a revision that has model.safetensors")
    return found


def contract_of(config: Mapping[str, Any], settings: Mapping[str, Any]) -> AudioPreprocessing:
    """How a model wants its recordings, from its config.json and its preprocessor_config.json.

    Raises `Damaged` for fields that are missing or of another type.
    """
    kind = untrusted.field(config, "model_type", str)
    rate = _number({"sampling_rate": 16_000, **settings}, "sampling_rate")
    if kind in WAVES:
        return AudioPreprocessing(UNIT if settings.get("do_normalize", True) else WAVE, rate)
    if kind == "whisper":
        said = {"feature_size": 80, "n_fft": 400, "hop_length": 160, "chunk_length": 30, **settings}
        return AudioPreprocessing(
            WHISPER,
            rate,
            mels=_number(said, "feature_size"),
            n_fft=_number(said, "n_fft"),
            hop=_number(said, "hop_length"),
            seconds=float(untrusted.field(said, "chunk_length", float)),
        )
    # Kaldi's frames are 25 and 10 milliseconds, whatever the rate
    hop, normal = round(rate * 0.010), settings.get("do_normalize", True)
    said = {"num_mel_bins": 128, "max_length": 1024, "mean": -4.2677393, "std": 4.5689974, **settings}
    return AudioPreprocessing(
        AST,
        rate,
        mels=_number(said, "num_mel_bins"),
        n_fft=round(rate * 0.025),
        hop=hop,
        seconds=_number(said, "max_length") * hop / rate,
        pooling="cls",
        mean=float(untrusted.field(said, "mean", float)) if normal else 0.0,
        std=float(untrusted.field(said, "std", float)) if normal else 0.5,
    )


def _number(said: Mapping[str, Any], name: str) -> int:
    found = untrusted.field(said, name, int)
    if found < 1:
        raise untrusted.Damaged(f"{name} is {found}")
    return int(found)


def described(source: Source, root: Path) -> Source:
    """The record, completed with what a folder says. Raises `SourceError`."""
    found = folders.completed(source, root, read(root, source.spec))
    return replace(found, writes=found.architecture.get("arch") in WRITERS)
