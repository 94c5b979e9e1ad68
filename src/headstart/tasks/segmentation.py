"""Semantic segmentation: the class of every pixel, judged by the overlap of classes (mIoU).

Targets are `data.labels.masks.Masks` (read one at a time), predictions object arrays of `core.maps.LabelMap`.
"""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.core import words
from headstart.core.maps import VOID, LabelMap, Maps, largest, overlay, palette
from headstart.core.task import SEGMENTATION, Cell, Task
from headstart.measure import overlap
from headstart.tasks.base import TaskMethods
from headstart.tasks.base.scores import OverLabels, Ratio, Score

LARGE = 2**27
"""Scores (places x classes) beyond which an answer is made strip by strip."""
LOOKED_AT = 32
"""Masks that are read to see how large most are."""
GLANCE = 32
"""Places a side at which is looked to tell how sure an answer is."""
LEAST_SURE = 0.25
"""Share of the places of a pool that count as unsure: scores of heads have no common scale."""
READING: Mapping[str, Any] = {
    "axes": "a score of each label at every place; of one axis: the same at all places",
    "answer": "scale the scores bilinearly (middles on middles) to the item's size, take the largest",
}

Count = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def counted(y: Any, predictions: np.ndarray, count: Count = overlap.counts) -> np.ndarray:
    """float64 `[N, 3, K]`, of boundaries `[N, 4, K]`: what is counted of each item (`measure.overlap`); each
    pair is counted once."""
    found = []
    for place, (digest, said) in enumerate(zip(y.digests(), predictions, strict=True)):
        key = f"{count.__name__} {digest}"
        if key not in said.counted:
            said.counted[key] = count(y[place], said.unpacked(), y.outputs)
        found.append(said.counted[key])
    return np.stack(found) if found else np.zeros((0, 3, y.outputs))


def _under(y: Any, predictions: np.ndarray, weights: np.ndarray, count: Count = overlap.counts) -> np.ndarray:
    """float64 `[B, 3 or 4, K]`: the sums under each row of item weights `[B, N]`."""
    table = counted(y, predictions, count)
    return np.asarray((weights @ table.reshape(len(table), -1)).reshape(-1, *table.shape[1:]))


def _right(y: Any, predictions: np.ndarray) -> np.ndarray:
    table = counted(y, predictions)
    return np.stack([table[:, 0].sum(axis=1), table[:, 1].sum(axis=1)], axis=1)


SCORES = (
    OverLabels(
        "mIoU",
        lambda y, said: overlap.ious(counted(y, said).sum(axis=0)),
        lambda y, said, weights: overlap.ious(_under(y, said, weights)),
    ),
    OverLabels(
        "Dice",
        lambda y, said: overlap.dices(counted(y, said).sum(axis=0)),
        lambda y, said, weights: overlap.dices(_under(y, said, weights)),
    ),
    OverLabels(
        "boundary F",
        lambda y, said: overlap.boundary_fs(counted(y, said, overlap.boundaries).sum(axis=0)),
        lambda y, said, weights: overlap.boundary_fs(_under(y, said, weights, overlap.boundaries)),
    ),
    Ratio("pixel accuracy", _right),
)


class _Masks(TaskMethods):
    """Masks as targets and as answers."""

    kind = read_as = SEGMENTATION
    form = "places"
    called = "masks"
    drawing = "mask"
    reading = READING
    counted = False
    predictions = Maps
    constant_name = "the commonest class everywhere"
    most_repeats = (
        1  # every pixel of an image is predicted and measured: ten times over takes the whole budget
    )
    unit = "images"

    def sound(self, y: Any, outputs: int) -> bool:
        return bool(y.outputs == outputs)

    def same(self, y: Any, others: Any) -> np.ndarray:
        return np.array(y.digests()) == np.array(others.digests())

    def differ(self, y: Any) -> bool:
        """Whether there is more than one class, so that a constant answer is wrong somewhere."""
        return bool((y.counts().sum(axis=0) > 0).sum() > 1)

    def occurring(self, y: Any, outputs: int) -> np.ndarray:
        return np.asarray(y.counts().sum(axis=0) > 0)

    def strata(self, y: Any, parts: int = 0) -> list[list[int]]:
        """The class that most of the mask is of."""
        return [[number] for number in y.counts().argmax(axis=1).tolist()]

    def stratum(self, task: Task, number: int, y: Any) -> str:
        return f"images that are mostly {task.labels[number]!r}"

    def renumbered(self, y: Any, places: Mapping[int, Sequence[int]], outputs: int) -> Any:
        """As they are: masks are read in the order of the model's classes (`Reading.known`)."""
        return y

    def about(self, task: Task) -> str:
        return f"with masks of {words.count(task.outputs, 'class', 'classes')}"

    def value(self, task: Task, target: Any) -> Any:
        """The classes of a mask uint8 `[H, W]` with their shares, the largest first, in words."""
        return ", ".join(f"{label} {share:.0%}" for label, share in shares(task, target)) or "void"

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        return [self.value(task, one.unpacked()) for one in predictions]

    def head(self, top: int | None) -> tuple[str, str]:
        return "classes", "size"

    def line(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> tuple[str, str]:
        listed = shares(task, answer)[: top or 3]
        return ", ".join(f"{label} {share:.1%}" for label, share in listed), "{1} x {0}".format(*answer.shape)

    def cells(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Cell]:
        found = {} if answer is None else dict(shares(task, answer))
        return {f"share:{label}": float(found.get(label, 0.0)) for label in task.labels}

    def to_json(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Any]:
        return {**self.told(task, answer)}

    def told(self, task: Task, answer: np.ndarray) -> dict[str, Any]:
        listed = {label: round(share, 6) for label, share in shares(task, answer)}
        return {"size": [answer.shape[1], answer.shape[0]], "shares": listed}


class Segmentation(_Masks):
    """Methods of semantic segmentation."""

    scores: Mapping[str, Score] = {score.name: score for score in SCORES}

    def off(self, y: Any, predictions: np.ndarray) -> np.ndarray:
        """The share of wrong pixels."""
        right, every = _right(y, predictions).T
        return np.asarray(1 - np.divide(right, every, out=np.ones_like(right), where=every > 0))

    def errors(self, y: Any, predictions: np.ndarray) -> int:
        return len(y)

    def mean_loss(self, y: Any, predictions: np.ndarray) -> float:
        return float(self.off(y, predictions).mean())

    def placed(self, scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The class with the largest score, after the scores are scaled bilinearly: by torch where it is
        loaded, which is the faster, in strips where an exported model answers or an image is large."""
        if "torch" not in sys.modules or scores.shape[0] * size[0] * size[1] > LARGE:
            return largest(scores if scores.ndim == 3 else scores[:, None, None], size)
        import torch
        from torch.nn.functional import interpolate

        table = torch.from_numpy(np.ascontiguousarray(scores, np.float32))[None]
        if table.ndim == 2:  # the same for every place
            table = table[..., None, None]
        if table.shape[2:] != size:
            table = interpolate(table, size, mode="bilinear", align_corners=False)
        found: np.ndarray = table[0].argmax(0).to(torch.uint8).numpy()
        return found

    def joined(
        self, parts: Iterable[tuple[tuple[int, int], np.ndarray]], units: tuple[int, int]
    ) -> np.ndarray:
        """Averages where tiles overlap, float32 `[K, h, w]`."""
        total = count = np.zeros(0, np.float32)
        for (down, across), given in parts:
            scores = given if given.ndim == 3 else given[:, None, None]
            for axis in (1, 2):  # a whole number of cells in each unit
                scores = scores.repeat(4 // math.gcd(4, scores.shape[axis]), axis)
            high, wide = scores.shape[1] // 4, scores.shape[2] // 4
            if not total.size:
                count = np.zeros((units[0] * high, units[1] * wide), np.float32)
                total = np.zeros((len(scores), *count.shape), np.float32)
            window = np.s_[down * high : (down + 4) * high, across * wide : (across + 4) * wide]
            total[:, *window] += scores
            count[window] += 1
        total /= count
        return total

    def aligned(self, found: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return found, expected

    def usual(self, y: Any) -> tuple[int, int]:
        sizes = np.array([y[row].shape for row in range(min(len(y), LOOKED_AT))])
        return tuple(np.median(sizes, axis=0).astype(int).tolist())

    def kept(self, answer: np.ndarray) -> LabelMap:
        return LabelMap.of(answer)

    def amounts(self, task: Task, answer: np.ndarray | LabelMap) -> np.ndarray:
        mask = answer.unpacked() if isinstance(answer, LabelMap) else answer
        found = dict(shares(task, mask))
        return np.array([found.get(label, 0.0) for label in task.labels])

    def glance(self, answer: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """float32 `[3, P]`: by how much the best class is better than the next, and which two these are."""
        table = scores if scores.ndim == 3 else scores[:, None, None]
        step = -(-max(table.shape[1:]) // GLANCE)
        some = table[:, ::step, ::step].reshape(len(table), -1)
        best = some.argsort(axis=0)[::-1][[0, min(1, len(some) - 1)]]
        top = np.take_along_axis(some, best, axis=0)
        return np.stack([top[0] - top[1], *best]).astype(np.float32)

    def unsure(self, task: Task, glances: Sequence[np.ndarray]) -> list[tuple[float, str]]:
        """By the share of places that are among the pool's least sure ones."""
        level = np.quantile(np.concatenate([one[0] for one in glances]), LEAST_SURE)
        found = []
        for margin, *pair in glances:
            low = margin <= level
            text = f"unsure at {low.mean():.0%} of its places"
            if low.any():
                one, two = np.sort(np.stack(pair)[:, low].astype(int), axis=0)
                most = int(np.bincount(one * task.outputs + two).argmax())
                first, second = (task.labels[number] for number in divmod(most, task.outputs))
                text += f", mostly between {first} and {second}"
            found.append((1 - float(low.mean()), text))
        return found

    def over(self, pixels: np.ndarray, answer: np.ndarray | LabelMap, classes: int) -> np.ndarray:
        from PIL import Image

        mask = answer.unpacked() if isinstance(answer, LabelMap) else answer
        size = (pixels.shape[1], pixels.shape[0])
        return overlay(
            pixels, np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)), classes
        )

    def drawn(self, answer: np.ndarray, pixels: Callable[[], np.ndarray], classes: int) -> Any:
        from PIL import Image

        image = Image.fromarray(answer)
        image.putpalette(palette(classes).ravel().tolist())
        return image

    def per_class(self, task: Task, y: Any, predictions: np.ndarray) -> list[dict[str, Any]]:
        table = counted(y, predictions).sum(axis=0)
        colours = [
            "#{:02x}{:02x}{:02x}".format(*rgb) for rgb in palette(task.outputs)[: task.outputs].tolist()
        ]
        edges = overlap.boundary_fs(counted(y, predictions, overlap.boundaries).sum(axis=0))
        rows = zip(
            task.labels, colours, *table, overlap.ious(table), overlap.dices(table), edges, strict=True
        )
        return [
            {
                "label": label, "colour": colour, "n": int(true), "predicted": int(said),
                "precision": right / said if said else None, "recall": right / true if true else None,
                "recall_low": None, "recall_high": None,
                "f1": None if np.isnan(dice) else float(dice),
                "iou": None if np.isnan(iou) else float(iou),
                "boundary_f": None if np.isnan(edge) else float(edge),
            }
            for label, colour, right, true, said, iou, dice, edge in rows
        ]  # fmt: skip


def shares(task: Task, mask: np.ndarray) -> list[tuple[str, float]]:
    """Classes of a map with the share of its pixels (void apart), the largest first."""
    number = np.bincount(mask[mask != VOID].ravel(), minlength=task.outputs)[: task.outputs]
    order = [i for i in np.argsort(-number, kind="stable").tolist() if number[i]]
    return [(task.labels[i], float(number[i] / max(1, number.sum()))) for i in order]
