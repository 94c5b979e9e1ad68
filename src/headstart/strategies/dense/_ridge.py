"""Ridge regression of every place on its features, from a few places of each image.

The metric counts classes alike, so rare ones are drawn more often than they are, and weigh more: each half
of the way, by the root of what would make classes equal and by its root again. All of the way on both sides
makes of every doubt a rare class (CamVid, 180 images: mIoU .43; half of it on both .50). The penalty is the
one with the least squared error on images left out (in five parts); an image is never on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from headstart.core.maps import VOID

MOST_PLACES = 40_000
"""Of all images of a fit together, ..."""
EACH = (64, 2_000)
"""... least and most of one image."""
PARTS = 5
RELATIVE = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Penalties against standardised columns, in parts of the weight of all places."""
BLOCK = 8_192
DRAWN, WEIGHED = 0.5, 0.25
"""Places of a class are drawn by this power of its size in the mask; they weigh by minus that power of their
number."""


@dataclass(frozen=True)
class Drawn:
    """Places of one image: where they are, as shares of its height and width, and what is there."""

    at: np.ndarray = field(repr=False)
    """float32 `[P, 2]`: y and x in 0 to 1, of the middles of pixels."""
    classes: np.ndarray = field(repr=False)
    """uint8 `[P]`"""


def draw(mask: np.ndarray, images: int, rng: np.random.Generator) -> Drawn:
    """Places of a mask uint8 `[H, W]`, its classes by the roots of their sizes, as far as they go."""
    most = int(np.clip(MOST_PLACES // max(1, images), *EACH))
    flat = mask.ravel()
    known = np.flatnonzero(flat != VOID)
    order = known[np.argsort(flat[known], kind="stable")]
    _, start, sizes = np.unique(flat[order], return_index=True, return_counts=True)
    groups = np.split(order, start[1:]) if len(order) else []
    shares = np.maximum(1, most * sizes**DRAWN / max(1.0, (sizes**DRAWN).sum())).astype(int)
    picked = [
        g if len(g) <= share else rng.choice(g, share, replace=False)
        for g, share in zip(groups, shares.tolist(), strict=True)
    ]
    chosen = np.concatenate(picked) if picked else np.zeros(0, np.int64)
    height, width = mask.shape
    at = np.stack([(chosen // width + 0.5) / height, (chosen % width + 0.5) / width], axis=1)
    return Drawn(at.astype(np.float32), flat[chosen])


@dataclass
class Sums:
    """Weighted sums of squares and products; those of several parts add up."""

    weight: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Sums:
        """Of features float `[M, D]`, what is wanted float32 `[M, K]` and weights float32 `[M]`."""
        width, outputs = x.shape[1], y.shape[1]
        found = cls(0.0, np.zeros(width), np.zeros(outputs), np.zeros((width, width)),
                    np.zeros((width, outputs)), 0.0)  # fmt: skip
        for start in range(0, len(x), BLOCK):
            part, own = x[start : start + BLOCK].astype(np.float32), y[start : start + BLOCK]
            weight = weights[start : start + BLOCK]
            targets = own * weight[:, None]
            heavy = part * weight[:, None]
            found.weight += float(weight.sum(dtype=np.float64))
            found.x += heavy.sum(axis=0, dtype=np.float64)
            found.y += targets.sum(axis=0, dtype=np.float64)
            found.xx += part.T @ heavy
            found.xy += part.T @ targets
            found.yy += float((own * targets).sum(axis=1).sum(dtype=np.float64))
        return found

    def plus(self, other: Sums, sign: int = 1) -> Sums:
        return Sums(*(a + sign * b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Fitted:
    """`scores = features @ weight.T + bias`"""

    weight: np.ndarray = field(repr=False)
    """float64 `[K, D]`"""
    bias: np.ndarray = field(repr=False)
    penalty: float
    error: float = float("nan")
    """Mean squared error on images left out."""


class _Path:
    """The solutions for every penalty, from one decomposition."""

    def __init__(self, sums: Sums) -> None:
        self.centre, self.level = sums.x / sums.weight, sums.y / sums.weight
        xx = sums.xx / sums.weight - np.outer(self.centre, self.centre)
        xy = sums.xy / sums.weight - np.outer(self.centre, self.level)
        sd = np.sqrt(np.maximum(np.diag(xx), 0.0))
        self.scale = np.divide(
            1.0, sd, out=np.zeros_like(sd), where=sd > 1e-6 * max(sd.max(initial=0.0), 1e-12)
        )
        self.values, self.vectors = np.linalg.eigh(xx * np.outer(self.scale, self.scale))
        self.turned = self.vectors.T @ (xy * self.scale[:, None])

    def at(self, penalty: float) -> Fitted:
        inside = self.turned / (np.maximum(self.values, 0.0) + penalty)[:, None]
        weight = (self.scale[:, None] * (self.vectors @ inside)).T
        return Fitted(weight, self.level - weight @ self.centre, penalty)


def error(fitted: Fitted, sums: Sums) -> float:
    """Weighted sum of squared errors on places of which only the sums are known."""
    w, b = fitted.weight, fitted.bias
    cross = np.sum(w * sums.xy.T) + b @ sums.y
    square = np.sum((w @ sums.xx) * w) + 2 * b @ (w @ sums.x) + sums.weight * b @ b
    return float(sums.yy - 2 * cross + square)


def fit(
    x: Sequence[np.ndarray], classes: Sequence[np.ndarray], outputs: int, penalty: float | None = None
) -> Fitted:
    """The model of images, each with its features float `[P, D]` and classes uint8 `[P]`; without a `penalty`
    that is chosen on images left out. A class that no image has is never said."""
    number = np.bincount(np.concatenate(classes), minlength=outputs).astype(np.float64)
    there = number > 0
    weights = np.where(there, np.maximum(number, 1) ** -WEIGHED, 0.0)
    weights *= number.sum() / max(1e-12, weights @ number)
    every = np.arange(outputs)
    wanted = [(own[:, None] == every).astype(np.float32) for own in classes]
    found = solved(x, wanted, [weights[own].astype(np.float32) for own in classes], penalty)
    return replace(found, bias=np.where(there, found.bias, -10.0))


def solved(
    x: Sequence[np.ndarray],
    y: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    penalty: float | None = None,
) -> Fitted:
    """The same for any numbers: of each image its features float `[P, D]`, what is wanted float32 `[P, K]`
    and weights float32 `[P]`."""
    parts = min(PARTS, len(x)) if penalty is None else 1
    sums = [Sums.of(*(np.concatenate(one[part::parts]) for one in (x, y, weights))) for part in range(parts)]
    whole, left_out = sums[0], float("nan")
    for one in sums[1:]:
        whole = whole.plus(one)
    if penalty is None:
        penalty = RELATIVE[len(RELATIVE) // 2]
        if parts > 1:
            errors = np.zeros(len(RELATIVE))
            for one in sums:
                if one.weight and whole.weight > one.weight:
                    path = _Path(whole.plus(one, -1))
                    errors += [error(path.at(value), one) for value in RELATIVE]
            penalty = RELATIVE[int(errors.argmin())]
            left_out = float(errors.min()) / max(1e-12, whole.weight)
    return replace(_Path(whole).at(penalty), error=left_out)
