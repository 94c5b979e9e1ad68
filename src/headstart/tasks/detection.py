"""Object detection: boxes around the objects of each class, judged by average precision (mAP50:95).

Targets are `data.boxes.targets.Annotations`, predictions object arrays of `core.boxes.Boxes`. A model keeps
its guesses, too: what it says are the boxes with a score of one half or more, to which its scores were
shifted on images held out (`strategies.detection`).
"""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from headstart.core import words
from headstart.core.boxes import Boxed, Boxes
from headstart.core.maps import palette
from headstart.core.task import DETECTION, Cell, Task
from headstart.measure import detection
from headstart.tasks.base import TaskMethods
from headstart.tasks.base.scores import OverLabels, Score

SAID = 0.5
"""Score from which a box is said."""
FAINT = 0.05
"""Score under which boxes of tiles are let go: of a large image there are hundreds of thousands."""
OPEN = (0.25, 0.75)
"""Between these scores a box is one that the model is unsure of."""
OVERLAP = 0.6
"""IoU from which two boxes of one class are the same object."""
UNSEEN, SURE = 0.2, 0.7
"""A box with this score that overlaps nothing labelled by more than so much may be an object whose label is
missing."""
READING: Mapping[str, Any] = {
    "columns": ["left", "top", "right", "bottom", "label", "score"],
    "corners": "shares of the item's width and height",
    "label": "number of the label, from 0",
    "none": "rows whose score is 0",
    "answer": "of boxes of one label that overlap by more than `iou` the one with the best score, if "
    "that is at least `threshold`",
    "iou": OVERLAP,
    "threshold": SAID,
}
_COUNTED: WeakKeyDictionary[Boxes, dict[str, detection.Matches]] = WeakKeyDictionary()
"""By answer and the digest of a truth: each pair is matched once."""


def matched(y: Any, predictions: Iterable[Boxes]) -> list[detection.Matches]:
    """The answers of each image against its truth."""
    found = []
    for truth, digest, said in zip(y.boxes, y.digests(), predictions, strict=True):
        known = _COUNTED.setdefault(said, {})
        if digest not in known:
            known[digest] = detection.match(truth, said, y.outputs)
        found.append(known[digest])
    return found


def _score(name: str, size: str, levels: int) -> OverLabels:
    def under(y: Any, said: Any, weights: np.ndarray) -> np.ndarray:
        found = detection.precisions(matched(y, said), weights, classes=y.outputs, size=size, levels=levels)
        return np.asarray(found.mean(axis=1))

    return OverLabels(name, lambda y, said: under(y, said, np.ones((1, len(y))))[0], under)


SCORES = (
    _score("mAP50:95", "all", len(detection.IOUS)),
    _score("mAP50", "all", 1),
    *(_score(f"AP {size}", size, len(detection.IOUS)) for size in detection.SIZES if size != "all"),
)


def said(boxes: Boxes) -> Boxes:
    """Those that are said."""
    return boxes if boxes.scores is None else boxes.take(boxes.scores >= SAID)


class _Boxes(TaskMethods):
    """Boxes as targets and as answers."""

    kind = read_as = DETECTION
    form = "boxes"
    most_repeats = 1  # a head is trained a fold
    unit = "images"
    predictions = Boxed
    constant_name = "boxes of the usual size at the usual places"

    def sound(self, y: Any, outputs: int) -> bool:
        return bool(y.outputs == outputs)

    def same(self, y: Any, others: Any) -> np.ndarray:
        return np.array(y.digests()) == np.array(others.digests())

    def differ(self, y: Any) -> bool:
        """Whether there is a box at all."""
        return bool(y.counts().any())

    def occurring(self, y: Any, outputs: int) -> np.ndarray:
        return np.asarray(y.counts().any(axis=0))

    def strata(self, y: Any, parts: int = 0) -> list[list[int]]:
        """The classes that an image has objects of, and -1 as every image."""
        return [[-1, *np.flatnonzero(row).tolist()] for row in y.counts()]

    def stratum(self, task: Task, number: int, y: Any) -> str:
        return f"images with {task.labels[number]!r}"

    def renumbered(self, y: Any, places: Mapping[int, Sequence[int]], outputs: int) -> Any:
        """As they are: boxes are read in the order of the model's classes (`Reading.known`)."""
        return y

    def about(self, task: Task) -> str:
        return f"with boxes of {words.count(task.outputs, 'class', 'classes')}"

    def value(self, task: Task, target: Any) -> Any:
        """How many objects of each class, the most first, in words."""
        listed = sorted(tally(task, said(target)).items(), key=lambda one: -one[1])
        return ", ".join(f"{count} {label}" for label, count in listed if count) or "nothing"

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        return [self.value(task, one) for one in predictions]

    def head(self, top: int | None) -> tuple[str, str]:
        return "objects", "size"

    def line(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> tuple[str, str]:
        return self.value(task, answer), "{1} x {0}".format(*answer.size)

    def cells(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Cell]:
        found = {} if answer is None else tally(task, said(answer))
        return {f"count:{label}": found.get(label, 0) for label in task.labels}

    def to_json(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Any]:
        return self.told(task, answer)

    def told(self, task: Task, answer: Any) -> dict[str, Any]:
        shown = said(answer)
        given = np.ones(len(shown)) if shown.scores is None else shown.scores
        rows = zip(shown.corners.tolist(), shown.classes.tolist(), given.tolist(), strict=True)
        listed = [
            {"label": task.labels[number], "score": round(score, 6), "box": [round(x, 2) for x in box]}
            for box, number, score in rows
        ]
        return {"size": [answer.size[1], answer.size[0]], "boxes": listed}


class Detection(_Boxes):
    """Methods of object detection."""

    called = "boxes"
    drawing = "picture"
    reading = READING
    counted = True
    scores: Mapping[str, Score] = {score.name: score for score in SCORES}

    def off(self, y: Any, predictions: np.ndarray) -> np.ndarray:
        """One less F1 of what is said, at IoU .5."""
        good, said, true = np.array([_counts(one) for one in matched(y, predictions)]).reshape(-1, 3).T
        return np.asarray(1 - np.divide(2 * good, said + true, out=np.ones(len(good)), where=said + true > 0))

    def errors(self, y: Any, predictions: np.ndarray) -> int:
        return len(y)

    def mean_loss(self, y: Any, predictions: np.ndarray) -> float:
        return float(self.off(y, predictions).mean())

    def placed(self, scores: np.ndarray, size: tuple[int, int]) -> Boxes:
        """From rows float32 `[M, 6]`: left, top, right, bottom in 0 to 1, class, score (0: no box)."""
        rows = scores[scores[:, 5] > 0]
        height, width = size
        corners = np.clip(rows[:, :4], 0, 1) * np.array([width, height, width, height], np.float32)
        whole = (corners[:, 2:] - corners[:, :2] > 0).all(axis=1)
        found = Boxes(size, corners[whole], rows[whole, 4].astype(np.int64), rows[whole, 5])
        return detection.suppressed(found, OVERLAP)

    def joined(
        self, parts: Iterable[tuple[tuple[int, int], np.ndarray]], units: tuple[int, int]
    ) -> np.ndarray:
        """Rows `[M, 6]` of the whole: of each tile the boxes whose middles are not in the outer eighth of it,
        where another tile shows more of the object. What two tiles have found, `placed` makes one."""
        found = [np.zeros((0, 6), np.float32)]
        for place, given in parts:
            rows = given[given[:, 5] >= FAINT]
            inside = np.ones(len(rows), bool)
            corners = np.empty((len(rows), 4), np.float32)
            for start, length, columns in zip(place, units, ([1, 3], [0, 2]), strict=True):
                middle = rows[:, columns].mean(axis=1)
                inside &= (middle >= 1 / 8) | (start == 0)
                inside &= (middle <= 7 / 8) | (start + 4 == length)
                corners[:, columns] = (start + 4 * rows[:, columns].clip(0, 1)) / length
            found.append(np.concatenate([corners, rows[:, 4:]], axis=1)[inside])
        return np.concatenate(found)

    def aligned(self, found: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each row of the second beside the one of the first that is nearest to it, classes as differences of
        their numbers. Rows are sorted by scores, so those of nearly one score may change places, and the last
        tenth may give way to others."""
        if found.shape != expected.shape:
            return found, expected
        wanted = expected[:, : expected.shape[1] - expected.shape[1] // 10].copy()
        nearest = [np.abs(other[:, None] - one).max(axis=2).argmin(axis=1)
                   for one, other in zip(found, wanted, strict=True)]  # fmt: skip
        beside = np.take_along_axis(found, np.stack(nearest)[..., None], axis=1)
        beside[..., 4] -= wanted[..., 4]
        wanted[..., 4] = 0
        return beside, wanted

    def usual(self, y: Any) -> tuple[int, int]:
        return tuple(np.median([one.size for one in y.boxes], axis=0).astype(int).tolist())

    def kept(self, answer: Any) -> Any:
        return answer

    def amounts(self, task: Task, answer: Any) -> np.ndarray:
        return np.array(list(tally(task, said(answer)).values()), np.float64)

    def glance(self, answer: Boxes, scores: np.ndarray) -> np.ndarray:
        """float32 `[2, n]`: score and class of each box."""
        assert answer.scores is not None
        use = answer.scores >= FAINT
        return np.stack([answer.scores[use], answer.classes[use]]).astype(np.float32)

    def unsure(self, task: Task, glances: Sequence[np.ndarray]) -> list[tuple[float, str]]:
        """By the sum over boxes of how near each score is to one half: where a box more or less is an error
        more or less."""
        found = []
        for scores, classes in glances:
            near, sure = (scores >= OPEN[0]) & (scores <= OPEN[1]), int((scores > OPEN[1]).sum())
            text = f"unsure of {words.count(int(near.sum()), 'box', 'boxes')}, sure of {sure:,}"
            if near.any():
                most = np.bincount(classes[near].astype(int)).argmax()
                text = text.replace(",", f", mostly {task.labels[most]},", 1)
            found.append((-float((1 - np.abs(2 * scores - 1)).sum()), text))
        return found

    def over(self, pixels: np.ndarray, answer: Any, classes: int) -> np.ndarray:
        from PIL import Image, ImageDraw

        shown, image = said(answer), Image.fromarray(pixels)
        height, width = pixels.shape[:2]
        scale = np.array([width / answer.size[1], height / answer.size[0]] * 2)
        pen, colours = ImageDraw.Draw(image), palette(classes)
        for box, number in zip(shown.corners * scale, shown.classes.tolist(), strict=True):
            pen.rectangle(box.tolist(), outline=tuple(colours[number].tolist()), width=max(2, width // 300))
        return np.asarray(image)

    def drawn(self, answer: Boxes, pixels: Callable[[], np.ndarray], classes: int) -> Any:
        from PIL import Image

        return Image.fromarray(self.over(pixels(), answer, classes))

    def per_class(self, task: Task, y: Any, predictions: np.ndarray) -> list[dict[str, Any]]:
        found, rows = matched(y, predictions), []
        table = detection.precisions(found, np.ones((1, len(found))), classes=task.outputs)[0]
        colours = palette(task.outputs).tolist()
        for number, label in enumerate(task.labels):
            good, told, true = np.sum([_counts(one, number) for one in found], axis=0).tolist()
            curve = detection.curve(found, number)
            rows.append(
                {
                    "label": label, "colour": "#{:02x}{:02x}{:02x}".format(*colours[number]),
                    "n": true, "predicted": told,
                    "precision": good / told if told else None, "recall": good / true if true else None,
                    "recall_low": None, "recall_high": None,
                    "f1": 2 * good / (told + true) if told + true else None,
                    "AP50": _known(table[0, number]), "AP50:95": _known(table[:, number].mean()),
                    "curve": _thinned(curve) if true else [],
                }
            )  # fmt: skip
        return rows

    def doubts(
        self, labels: Sequence[str], y: Any, predictions: np.ndarray
    ) -> list[tuple[int, dict[str, Any]]]:
        """Images with sure boxes where nothing is labelled, those with the most of them first."""
        found = []
        for row, (truth, answer) in enumerate(zip(y.boxes, predictions, strict=True)):
            best = answer.take(answer.scores >= SURE)
            near = detection.overlaps(best.corners, truth.corners).max(axis=1, initial=0.0)
            lost = best.take(near < UNSEEN)
            if len(lost):
                counts = np.bincount(lost.classes, minlength=len(labels))
                more = ", ".join(f"{counts[k]} more {labels[k]}" for k in np.flatnonzero(counts).tolist())
                told = {
                    "given": words.count(len(truth), "box", "boxes"), "suggested": more,
                    "p_given": None, "p_suggested": float(lost.scores.max()),
                }  # fmt: skip
                found.append((row, told, float(lost.scores.sum())))
        return [(row, told) for row, told, _ in sorted(found, key=lambda one: -one[2])]


def tally(task: Task, boxes: Boxes) -> dict[str, int]:
    """How many boxes of each class."""
    counts = np.bincount(boxes.classes, minlength=task.outputs)
    return dict(zip(task.labels, counts[: task.outputs].tolist(), strict=True))


def _counts(one: detection.Matches, number: int | None = None) -> tuple[int, int, int]:
    """(right, said, true) at IoU .5, of one class or all."""
    use = (one.scores >= SAID) & ~one.ignored[0, 0]
    truths = one.truths[0]
    if number is not None:
        use &= one.classes == number
        truths = truths[number]
    return int(one.right[0, 0][use].sum()), int(use.sum()), int(truths.sum())


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _thinned(curve: detection.Curve, most: int = 60) -> list[list[float]]:
    """[recall, precision] of so many points of a curve."""
    at = np.unique(np.linspace(0, len(curve.scores) - 1, min(most, len(curve.scores))).round().astype(int))
    return [[round(float(curve.recall[i]), 4), round(float(curve.precision[i]), 4)] for i in at]
