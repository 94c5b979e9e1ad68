"""Recommended numbers of fine-tuning by modality."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Numbers:
    """Of one modality's transformers, trained with AdamW (bias correction on)."""

    lr: float
    """Peak rate of the last layer."""
    layer_decay: float
    weight_decay: float
    smoothing: float


RECIPES = {
    "image": Numbers(lr=1e-4, layer_decay=0.75, weight_decay=0.05, smoothing=0.1),
    "text": Numbers(lr=5e-5, layer_decay=0.9, weight_decay=0.01, smoothing=0.0),
}
"""Texts: Mosbach et al., ICLR 2021, and no label smoothing. all-MiniLM-L6-v2 with 64 labels a class, from the
probe's head, 60 to 100 steps of 32 to 48 texts at 5e-5, no decay by layer: CR 0.84, TREC 0.86 (frozen 0.76
and 0.75; one draw, validation parts)."""
