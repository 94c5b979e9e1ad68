"""What a head of `nets.boxes` learns, and its training on stored maps.

At the middle of each object its class is likely, less so around it: a Gaussian of 0.18 of its sides (TTFNet,
Liu et al., 2020). The loss of the middles is the focal one of CornerNet (Law and Deng, 2018), that of the
sides one less the generalised IoU (Rezatofighi et al., 2019), weighted by the Gaussian.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from headstart.core.boxes import Boxes
from headstart.core.frame import Frame
from headstart.nets.boxes import Head, corners
from headstart.train.device import reproducible

BATCH = 4
RATE, DECAY, WARM = 2e-3, 1e-2, 0.05
"""Of AdamW: the highest learning rate, weight decay, and the share of the steps that lead up to it."""
SPREAD, LEAST = 0.18, 0.5
"""Standard deviation of a Gaussian in sides of the box, and at least in cells."""
NEAR = 0.3
"""Height of a Gaussian from which the sides are learnt, too."""
SIDES = 2.0
"""Weight of the loss of the sides."""
LEFT = 0.4
"""A box that a view shows less of is not one to find."""

LAST = torch.channels_last
"""Order of the numbers in memory with which a step takes a quarter less time on a processor."""

Maps = Callable[[int, int], Sequence[np.ndarray]]
"""(row, view) -> maps float16 `[C, h, w]`, the largest first."""


@dataclass(frozen=True)
class Aim:
    """What the head is to say of an image."""

    middles: Tensor = field(repr=False)
    """float32 `[K, h, w]`"""
    at: Tensor = field(repr=False)
    """int64 `[P]`: the cells from which sides are learnt, ..."""
    box: Tensor = field(repr=False)
    """float32 `[P, 4]`: ... the boxes that they are in, in cells, ..."""
    weight: Tensor = field(repr=False)
    """float32 `[P]`: ... and how much each counts: those of one box 1 in sum."""

    def to(self, device: torch.device) -> Aim:
        """On a device."""
        return Aim(*(one.to(device) for one in (self.middles, self.at, self.box, self.weight)))


def aim(boxes: np.ndarray, classes: np.ndarray, outputs: int, size: tuple[int, int]) -> Aim:
    """From boxes float `[n, 4]` in 0 to 1, on a map of `size` (height, width). Where several are at one cell
    the smallest one's sides are learnt."""
    height, width = size
    scaled = boxes * np.array([width, height, width, height])
    middles = np.zeros((outputs, height, width), np.float32)
    own, best = np.full((height, width), -1), np.zeros((height, width))
    sides = np.maximum(scaled[:, 2:] - scaled[:, :2], 1e-3)
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    for number in np.argsort(-sides.prod(axis=1), kind="stable").tolist():
        cx, cy = (scaled[number, :2] + scaled[number, 2:]) / 2
        column, row = (int(np.clip(v, 0, m - 1)) for v, m in ((cx, width), (cy, height)))
        sx, sy = np.maximum(SPREAD * sides[number], LEAST)
        hill = np.exp(-(((x - column - 0.5) / sx) ** 2 + ((y - row - 0.5) / sy) ** 2) / 2)
        np.maximum(middles[classes[number]], hill, out=middles[classes[number]])
        near = hill >= NEAR
        own[near], best[near] = number, hill[near]
    at = np.flatnonzero(own >= 0)
    of, high = own.ravel()[at], best.ravel()[at]
    total = np.bincount(of, high, minlength=len(boxes))
    return Aim(
        torch.from_numpy(middles), torch.from_numpy(at), torch.from_numpy(scaled[of].astype(np.float32)),
        torch.from_numpy((high / total[of]).astype(np.float32)),
    )  # fmt: skip


def moved(truth: Boxes, frame: Frame, outputs: int, size: tuple[int, int]) -> Aim:
    """What is to be said of a view of an image, on a map of `size`."""
    kept = truth if truth.crowd is None else truth.take(~truth.crowd)
    whole = np.array(truth.size[::-1] * 2, np.float64)
    points = frame.moved((kept.corners / whole).reshape(-1, 2, 2)).reshape(-1, 4)
    boxes = np.concatenate(
        [np.minimum(points[:, :2], points[:, 2:]), np.maximum(points[:, :2], points[:, 2:])], axis=1
    )
    cut = boxes.clip(0, 1)
    there = (cut[:, 2:] - cut[:, :2]).prod(axis=1) > LEFT * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return aim(cut[there], kept.classes[there], outputs, size)


def focal(middles: Tensor, wanted: Tensor) -> Tensor:
    """The sum over places `[B, K, h, w]`, by the number of objects."""
    there = wanted == 1
    p = middles.sigmoid()
    good = torch.where(there, (1 - p) ** 2 * logsigmoid(middles), 0.0)
    bad = torch.where(there, 0.0, (1 - wanted) ** 4 * p**2 * logsigmoid(-middles))
    return -(good.sum() + bad.sum()) / there.sum().clamp(min=1)


def apart(ours: Tensor, theirs: Tensor) -> Tensor:
    """`[P]`: one less the generalised IoU of boxes `[P, 4]`."""
    low, high = torch.maximum(ours[:, :2], theirs[:, :2]), torch.minimum(ours[:, 2:], theirs[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    one, other = ((box[:, 2:] - box[:, :2]).prod(1) for box in (ours, theirs))
    union = one + other - both
    around = torch.maximum(ours[:, 2:], theirs[:, 2:]) - torch.minimum(ours[:, :2], theirs[:, :2])
    whole = around.prod(1)
    return 1 - both / union + (whole - union) / whole


def loss(head: Head, maps: Sequence[Tensor], aims: Sequence[Aim]) -> Tensor:
    """Of a batch."""
    middles, sides = head(maps)
    found = corners(sides).flatten(2)  # [B, 4, h * w]
    said = torch.cat([found[i, :, one.at].T for i, one in enumerate(aims)])
    true = torch.cat([one.box for one in aims])
    weight = torch.cat([one.weight for one in aims])
    far = (apart(said, true) * weight).sum() / weight.sum().clamp(min=1)
    return focal(middles, torch.stack([one.middles for one in aims])) + SIDES * far


def each(middles: Tensor, sides: Tensor, aims: Sequence[Aim]) -> Tensor:
    """The loss of every image `[B]`, by itself: its objects are summed, not averaged."""
    found, losses = corners(sides).flatten(2), []
    for i, one in enumerate(aims):
        objects = (one.middles == 1).sum().clamp(min=1)
        far = (apart(found[i, :, one.at].T, one.box) * one.weight).sum()
        losses.append(focal(middles[i], one.middles) * objects + SIDES * far)
    return torch.stack(losses)


def train(
    maps: Maps,
    aims: Callable[[int, int], Aim],
    rows: np.ndarray,
    *,
    channels: Sequence[int],
    outputs: int,
    views: int,
    steps: int,
    seed: int,
) -> Head:
    """A head for `outputs` classes in eval mode, from some rows; the same for the same seed.

    Each epoch takes every row once, in one of its views (0 is the row itself).
    """
    with reproducible(seed):
        head = Head(channels, outputs)
        _begin(head, maps, aims, rows)
        head = head.to(memory_format=LAST).train()
        optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
        first = max(1, round(WARM * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min((step + 1) / first, (1 + np.cos(np.pi * min(1.0, step / steps))) / 2),
        )
        rng, order = np.random.default_rng(seed), np.zeros(0, np.int64)
        for _ in range(steps):
            while len(order) < BATCH:
                order = np.concatenate([order, rng.permutation(rows)])
            batch, order = order[:BATCH].tolist(), order[BATCH:]
            seen = rng.integers(0, views + 1, len(batch)).tolist()
            read = [maps(row, view) for row, view in zip(batch, seen, strict=True)]
            stacked = [
                torch.from_numpy(np.stack(level)).to(torch.float32, memory_format=LAST)
                for level in zip(*read, strict=True)
            ]
            found = loss(head, stacked, [aims(row, view) for row, view in zip(batch, seen, strict=True)])
            optimizer.zero_grad(set_to_none=True)
            found.backward()
            torch.nn.utils.clip_grad_norm_(head.parameters(), 10.0)
            optimizer.step()
            schedule.step()
    return head.to(memory_format=torch.contiguous_format).eval()


def _begin(head: Head, maps: Maps, aims: Callable[[int, int], Aim], rows: np.ndarray) -> None:
    """Scaling of each channel, few middles, and sides of the usual length."""
    some = seen(rows)
    standardise(head, ([one.astype(np.float64) for one in maps(row, 0)] for row in some.tolist()))
    expect(head, [aims(row, 0) for row in some.tolist()])


def seen(rows: np.ndarray) -> np.ndarray:
    """Those by which a head is begun."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(64, len(rows))).round().astype(np.int64))]


def standardise(head: Head, maps: Iterable[Sequence[np.ndarray]]) -> None:
    """Scale each channel by maps float64 `[C, h, w]` of some images."""
    sums: list[list[np.ndarray]] = []
    for read in maps:
        flat = (one.reshape(len(one), -1) for one in read)
        sums.append([np.stack([wide.mean(axis=1), (wide**2).mean(axis=1)]) for wide in flat])
    for number, parts in enumerate(zip(*sums, strict=True)):
        mean, square = np.mean(parts, axis=0)
        sd = np.sqrt(np.maximum(square - mean**2, 0))
        scale = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-6)
        head.get_buffer(f"mean{number}").copy_(torch.from_numpy(mean))
        head.get_buffer(f"scale{number}").copy_(torch.from_numpy(scale))


def expect(head: Head, aims: Sequence[Aim]) -> None:
    """Begin with few middles, and sides of the usual length."""
    boxes = torch.cat([one.box for one in aims])
    usual = float((boxes[:, 2:] - boxes[:, :2]).clamp(min=0.1).log().mean()) if len(boxes) else 1.0
    with torch.no_grad():
        for layer, level in ((head.middle, -4.0), (head.sides, usual - float(np.log(2)))):
            assert layer.bias is not None
            layer.weight.mul_(0.1)
            layer.bias.fill_(level)
