"""Detection: boxes found against boxes that are there, matched once an image, and average precision of any
number of images or of resamples of them.

The rules are those of COCO (Lin et al., 2014): ten IoU thresholds, at most 100 answers an image and class,
crowds and objects outside a range of sizes neither right nor wrong, precision at 101 values of recall.
Corners are float `[n, 4]`: left, top, right, bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.core.boxes import Boxes

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = 100
"""Answers of an image and class that count, the best."""
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Range of areas in square pixels, both ends included."""
CELLS = 4_000_000
"""Numbers (resample x answer) that are held at once."""


def areas(corners: np.ndarray) -> np.ndarray:
    """float64 `[n]`"""
    wide = corners.astype(np.float64)
    return np.asarray((wide[:, 2] - wide[:, 0]) * (wide[:, 3] - wide[:, 1]))


def overlaps(ours: np.ndarray, theirs: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """float64 `[n, m]`: intersection over union; over the area of ours where theirs is a `crowd` (`[m]`)."""
    a, b = ours.astype(np.float64)[:, None], theirs.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.clip(sides, 0, None).prod(axis=2)
    own, other = areas(ours)[:, None], areas(theirs)[None]
    whole = own + other - both
    if crowd is not None:
        whole = np.where(crowd[None], own, whole)
    return np.divide(both, whole, out=np.zeros_like(both), where=whole > 0)


def suppressed(boxes: Boxes, most: float) -> Boxes:
    """Without boxes that overlap a better one of their class by more than `most`; the best come first."""
    order = np.argsort(-_scores(boxes), kind="stable")
    kept: list[int] = []
    for number in np.unique(boxes.classes).tolist():
        rows = order[boxes.classes[order] == number]
        there = np.ones(len(rows), bool)
        block = max(1, CELLS // len(rows))  # of a large image there are too many pairs for memory
        for start in range(0, len(rows), block):
            some = start + np.flatnonzero(there[start : start + block])
            close = overlaps(boxes.corners[rows[some]], boxes.corners[rows]) > most
            for place, near in zip(some.tolist(), close, strict=True):
                if there[place]:
                    there[place + 1 :] &= ~near[place + 1 :]
        kept += rows[there].tolist()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return boxes.take(np.array(sorted(kept, key=lambda row: rank[row]), np.int64))


@dataclass(frozen=True, eq=False)
class Matches:
    """The answers of one image, class by class, the best first."""

    classes: np.ndarray = field(repr=False)
    """int64 `[n]`"""
    scores: np.ndarray = field(repr=False)
    """float32 `[n]`"""
    right: np.ndarray = field(repr=False)
    """bool `[4, 10, n]`: by range of sizes and IoU threshold."""
    ignored: np.ndarray = field(repr=False)
    """bool `[4, 10, n]`: neither right nor wrong."""
    truths: np.ndarray = field(repr=False)
    """int64 `[4, K]`: objects that are to be found."""


def match(truth: Boxes, said: Boxes, classes: int) -> Matches:
    """Answers `said` against the `truth` of one image."""
    scores, truths, parts = _scores(said), np.zeros((len(SIZES), classes), np.int64), []
    for number in range(classes):
        own = np.flatnonzero(said.classes == number)
        own = own[np.argsort(-scores[own], kind="stable")][:MOST]
        there = np.flatnonzero(truth.classes == number)
        crowd = np.zeros(len(there), bool) if truth.crowd is None else truth.crowd[there]
        apart = np.stack([crowd | _outside(truth.corners[there], size) for size in SIZES.values()])
        truths[:, number] = (~apart).sum(axis=1)
        if len(own):
            close = overlaps(said.corners[own], truth.corners[there], crowd)
            mates, ignored = _paired(close, crowd, apart)
            far = np.stack([_outside(said.corners[own], size) for size in SIZES.values()])[:, None]
            ignored |= (mates < 0) & far
            parts.append((np.full(len(own), number), own, (mates >= 0) & ~ignored, ignored))
    if not parts:
        nothing = np.zeros((len(SIZES), len(IOUS), 0), bool)
        return Matches(np.zeros(0, np.int64), np.zeros(0, np.float32), nothing, nothing, truths)
    named, rows, right, ignored = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return Matches(named, scores[rows], right, ignored, truths)


def _paired(close: np.ndarray, crowd: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mate int64, ignored bool) `[4, 10, n]` of answers, the best first, from overlaps `[n, m]`.

    Each takes the closest object that is left, of equals the last; one that does not count (`apart`
    `[4, m]`) only where it has no other.
    """
    shape = (len(SIZES), len(IOUS), len(close))
    mates, ignored = np.full(shape, -1), np.zeros(shape, bool)
    taken = np.zeros((len(SIZES), len(IOUS), close.shape[1]), bool)
    for at in np.flatnonzero((close >= IOUS[0]).any(axis=1)).tolist():
        enough = close[at] >= IOUS[:, None]
        free = enough[None] & (~taken | crowd)
        for counts in (True, False):
            able = free & ((~apart if counts else apart)[:, None])
            value = np.where(able, close[at], -1.0)[..., ::-1]
            best = value.argmax(axis=2)
            hit = (np.take_along_axis(value, best[..., None], 2)[..., 0] >= 0) & (mates[..., at] < 0)
            place = close.shape[1] - 1 - best
            mates[..., at] = np.where(hit, place, mates[..., at])
            ignored[..., at] |= hit & (not counts)
            size, level = np.nonzero(hit)
            taken[size, level, place[hit]] = True
    return mates, ignored


def _outside(corners: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    area = areas(corners)
    return np.asarray((area < size[0]) | (area > size[1]))


def _scores(boxes: Boxes) -> np.ndarray:
    return np.ones(len(boxes), np.float32) if boxes.scores is None else boxes.scores


def precisions(
    found: Sequence[Matches], weights: np.ndarray, *, classes: int, size: str = "all", levels: int = len(IOUS)
) -> np.ndarray:
    """float64 `[B, levels, K]`: average precision at the first IoU thresholds under each row of whole image
    weights `[B, N]`; NaN for a class of which no object is to be found."""
    room = list(SIZES).index(size)
    out = np.full((len(weights), levels, classes), np.nan)
    if not found:
        return out
    truths = np.stack([one.truths[room] for one in found])  # [N, K]
    image = np.repeat(np.arange(len(found)), [len(one.scores) for one in found])
    number, scores = (np.concatenate([getattr(o, name) for o in found]) for name in ("classes", "scores"))
    right, ignored = (
        np.concatenate([getattr(o, name)[room, :levels] for o in found], axis=1)
        for name in ("right", "ignored")
    )
    for k in np.flatnonzero(truths.any(axis=0)).tolist():
        own = np.flatnonzero(number == k)
        own = own[np.argsort(-scores[own], kind="stable")]
        step = max(1, CELLS // max(1, len(own)))
        for start in range(0, len(weights), step):
            part = weights[start : start + step].astype(np.float64)
            out[start : start + step, :, k] = _averages(
                part[:, image[own]], right[:, own], ignored[:, own], part @ truths[:, k]
            )
    return out


def _averages(weights: np.ndarray, right: np.ndarray, ignored: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """float64 `[B, levels]`: of the answers in order, with weights `[B, n]`, of `truths` `[B]` objects."""
    out = np.zeros((len(weights), len(right)))
    whole = weights.cumsum(axis=1)
    some = np.maximum(truths, 1.0)[:, None]
    for level, hits in enumerate(right):
        rows = np.flatnonzero(hits)
        if not len(rows):
            continue
        said = (weights * ~ignored[level]).cumsum(axis=1) if ignored[level].any() else whole
        good = weights[:, rows].cumsum(axis=1)
        below = said[:, rows]
        precision = np.divide(good, below, out=np.zeros_like(good), where=below > 0)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, (good / some).ravel(), side="right").reshape(good.shape)
        # the recall 0 has the precision of the first that is found, which a resample may have lost
        share = np.diff(np.where(good > 0, reached, 0), axis=1, prepend=0)
        out[:, level] = (share * best).sum(axis=1) / len(RECALLS)
    return np.where(truths[:, None] > 0, out, np.nan)


@dataclass(frozen=True)
class Curve:
    """Precision and recall of one class at IoU .5, for every score."""

    scores: np.ndarray = field(repr=False)
    """float32 `[n]`, the best first; of equals the last stands for all."""
    precision: np.ndarray = field(repr=False)
    recall: np.ndarray = field(repr=False)

    def best(self) -> int | None:
        """Where F1 is best, of equals the first; None where nothing is right."""
        total = self.precision + self.recall
        f1 = np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)
        return int(f1.argmax()) if f1.any() else None


def curve(found: Sequence[Matches], number: int) -> Curve:
    """Of the class of that number over all images."""
    truths = sum(int(one.truths[0, number]) for one in found)
    use = [(one.classes == number) & ~one.ignored[0, 0] for one in found]
    nothing = np.zeros(0)
    scores = np.concatenate([nothing, *(one.scores[u] for one, u in zip(found, use, strict=True))])
    right = np.concatenate([nothing, *(one.right[0, 0][u] for one, u in zip(found, use, strict=True))])
    order = np.argsort(-scores, kind="stable")
    good = right[order].cumsum()
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    return Curve(
        scores[order][last].astype(np.float32),
        (good / np.arange(1, len(good) + 1))[last],
        good[last] / max(1, truths),
    )
