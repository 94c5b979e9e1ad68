"""Model folders of Hugging Face: which room reads one follows from the model_type in its config.json."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from headstart.core import untrusted
from headstart.core.backbone import Backbone
from headstart.core.source import Source

TEXTS, SOUNDS, BOXES = (f"headstart.sources.{room}" for room in ("text", "audio", "detection"))
ROOMS = {
    **dict.fromkeys(("audio-spectrogram-transformer", "hubert", "wav2vec2", "wavlm", "whisper"), SOUNDS),
    **dict.fromkeys(("conditional_detr", "d_fine", "deformable_detr", "detr"), BOXES),
    **dict.fromkeys(("rf_detr", "rt_detr", "rt_detr_v2", "table-transformer"), BOXES),
    **dict.fromkeys(("dab-detr", "deimv2", "lw_detr", "rf_detr", "yolos"), BOXES),  # refused there
}
"""Model type -> the room that reads such a folder; all others are texts."""


def described(source: Source, root: Path) -> Source:
    """The record, completed with what a folder says. Raises `SourceError`."""
    found: Source = _files(root).described(source, root)
    return found


def is_usable(root: Path) -> bool:
    """Whether a folder has what its room needs besides the network: caches hold models of all kinds."""
    return bool(_files(root).is_usable(root))


def opened(source: Source, root: Path) -> Backbone:
    """The network with the weights in its folder. Raises `SourceError`, `MissingExtra`."""
    backbone: Backbone = import_module(f"{_room(root)}.opening").open_folder(source, root)
    return backbone


def _files(root: Path) -> Any:
    return import_module(f"{_room(root)}.files.folder")


def _room(root: Path) -> str:
    try:
        kind = untrusted.read_object(root / "config.json").get("model_type")
    except (OSError, untrusted.Damaged):  # told about by whoever reads it
        return TEXTS
    return ROOMS.get(kind, TEXTS) if isinstance(kind, str) else TEXTS
