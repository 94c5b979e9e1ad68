"""An endless, seeded stream of batches from several families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pretraining.generators import FAMILIES
from pretraining.generators.base import Draw, seeded
from pretraining.paint import Look, Paint


@dataclass(frozen=True)
class Batch:
    """Pictures and what they are of. A cut-mixed one shows `classes` and `others`."""

    pictures: Tensor
    """float32 `[B, 3, S, S]` in [0, 1]."""
    classes: Tensor
    """int64 `[B]`."""
    others: Tensor
    """int64 `[B]`."""
    share: Tensor
    """float32 `[B]`, 1 where nothing was mixed."""


class Stream:
    """Batches in which every family has its share.

    The classes of all families are numbered through, in the order of `shares`. The stream's place is
    the state of its one generator: `state()` and `restore()` make a stopped training go on exactly.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        classes: int,
        seed: int,
        *,
        side: int = 32,
        device: str = "cpu",
        cutmix: float = 0.1,
        look: Look | None = None,
    ) -> None:
        self.names = tuple(shares)
        self.cutmix = cutmix
        self.families = [
            FAMILIES[name](classes, seed * 1000 + sorted(FAMILIES).index(name), side=side, device=device)
            for name in self.names
        ]
        wide = max(family.traits.shape[1] for family in self.families)
        # [F, classes, T]; NaN where a family has fewer traits
        self.traits = torch.stack(
            [F.pad(f.traits, (0, wide - f.traits.shape[1]), value=torch.nan) for f in self.families]
        )
        self.weights = torch.tensor([shares[name] for name in self.names], dtype=torch.float64)
        self.first = [classes * k for k in range(len(self.names))]
        self.classes = classes * len(self.names)
        self.paint = Paint(look or Look(), seed * 1000 + 500, side=side, device=device)
        self.rng = seeded(seed * 1000 + 999, device)

    def state(self) -> Tensor:
        return self.rng.get_state()

    def restore(self, state: Tensor) -> None:
        self.rng.set_state(state)

    def batch(self, size: int) -> Batch:
        """The next `size` pictures. Families follow each other inside a batch."""
        draw = Draw(self.rng)
        pictures, classes = [], []
        for k, count in enumerate(self._counts(size, draw)):
            if count:
                codes = draw.integers(0, self.families[k].classes, count)
                pictures.append(self.picture(k, codes))
                classes.append(codes + self.first[k])
        return self._mixed(torch.cat(pictures), torch.cat(classes), draw)

    def picture(self, place: int, codes: Tensor) -> Tensor:
        """Pictures `[B, 3, S, S]` of classes of one family, painted and perhaps mirrored."""
        family = self.families[place]
        drawn = family(codes, self.rng)
        picture = self.paint.ink(drawn, self.rng) if drawn.dim() == 3 else self.paint.texture(drawn, self.rng)
        if family.turns:
            mirrored = Draw(self.rng).chance(len(codes), 1, 1, 1, of=0.5)
            picture = torch.where(mirrored, picture.flip(3), picture)
        return picture

    def _counts(self, size: int, draw: Draw) -> list[int]:
        """How many of each family: whole parts of the shares, the rest by lot."""
        exact = self.weights / self.weights.sum() * size
        counts = exact.floor().long()
        rest = size - int(counts.sum())
        if rest:
            lot = torch.multinomial(
                (exact - counts).float().to(draw.rng.device), rest, True, generator=draw.rng
            )
            counts += torch.bincount(lot.cpu(), minlength=len(counts))
        return counts.tolist()

    def _mixed(self, pictures: Tensor, classes: Tensor, draw: Draw) -> Batch:
        """A rectangle of some pictures comes from another one (CutMix: Yun et al., ICCV 2019)."""
        batch, _, side, _ = pictures.shape
        order = torch.randperm(batch, generator=draw.rng, device=draw.rng.device)
        chosen = draw.chance(batch, of=self.cutmix)
        part = (1 - draw.uniform(batch, low=0.35, high=0.75)).sqrt() * side  # side of the rectangle
        left, top = (draw.uniform(batch) * (side - part) for _ in range(2))
        line = torch.arange(side, device=pictures.device)
        inside = ((line >= left[:, None]) & (line < (left + part)[:, None]))[:, None, :] & (
            (line >= top[:, None]) & (line < (top + part)[:, None])
        )[:, :, None]
        inside &= chosen[:, None, None]
        share = 1 - inside.float().mean((1, 2))
        pictures = torch.where(inside[:, None], pictures[order], pictures)
        return Batch(pictures, classes, classes[order], share)
