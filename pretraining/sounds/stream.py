"""The endless seeded mixture of sounds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pretraining.sounds.formulas import CLASSES, FAMILIES
from pretraining.sounds.waves import LENGTH, Draw, recorded, spectrograms, unit

MIXED = 0.2
"""Share of the sounds that another one is heard behind."""
WORDS = 0.22
"""Share of words beyond their part among the families."""


class Batch(NamedTuple):
    """Sounds, and what they are."""

    frames: Tensor
    """`[N, mels, T]`"""
    families: Tensor
    classes: Tensor
    """Within the family."""
    others: Tensor
    """The row of the batch that is heard behind each."""
    share: Tensor
    """How much of the power is the sound's own."""


class Stream:
    """Batch after batch; the seed decides all of them."""

    def __init__(self, seed: int) -> None:
        classes = Draw(7919 * seed)
        self.tables = [numbers(classes) for numbers, _ in FAMILIES.values()]
        self.traits = [traits_of(table.values()) for table in self.tables]
        self.draw = Draw(seed)

    def batch(self, count: int) -> Batch:
        """The next sounds."""
        draw = self.draw
        families = draw.whole(len(FAMILIES), count).sort().values
        words = draw.uniform(0, 1, count) < WORDS
        families = torch.where(words, torch.zeros_like(families), families).sort().values
        classes = draw.whole(CLASSES, count)
        waves = torch.empty(count, LENGTH)
        for number, (table, (_, make)) in enumerate(zip(self.tables, FAMILIES.values(), strict=True)):
            rows = families == number
            if rows.any():
                waves[rows] = make(draw, {name: value[classes[rows]] for name, value in table.items()})
        waves = unit(waves).clamp(-30, 30)
        others, share = torch.randperm(count, generator=draw.rng), torch.ones(count)
        mixed = draw.uniform(0, 1, count) < MIXED
        share[mixed] = draw.uniform(0.5, 1, int(mixed.sum()))
        waves = waves * share.sqrt()[:, None] + waves[others] * (1 - share).sqrt()[:, None]
        heard = recorded(waves, draw)
        draw.whole(LENGTH, count)  # plays no part, but the numbers of what ships were drawn so
        return Batch(spectrograms(heard), families, classes, others, share)


def traits_of(columns: object) -> Tensor:
    """Float `[C, K]`: all numbers of the classes of a family, in logarithms where none is 0, standardised."""
    found = []
    for value in columns:  # type: ignore[attr-defined]
        flat = value.float().reshape(CLASSES, -1)
        found.append(flat.log() if bool((flat > 0).all()) else flat)
    every = torch.cat(found, 1)
    return (every - every.mean(0)) / (every.std(0) + 1e-6)
