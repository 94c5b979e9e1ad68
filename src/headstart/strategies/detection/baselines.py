"""What needs no source: boxes of the usual size at the usual places, and parts told apart by colour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.boxes import Boxes
from headstart.core.evidence import Cost
from headstart.core.maps import VOID
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial, arm_name
from headstart.strategies.dense import _ridge
from headstart.strategies.dense.baselines import Reader, picked, scores_of
from headstart.strategies.detection import _settle

SLACK = 2.0
"""Sides of a part may be so many times smaller or larger than those of 90 % of its class."""


class Usual:
    """Of each class as many boxes as images have on average, of its mean size, in a grid."""

    name = "majority"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Boxes are counted."""
        return Cost(seconds=0.2 + 0.01 * len(request.dataset))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[Any, dict[str, Any]]:  # noqa: ARG001
            return [_usual(request, fold.train)] * len(fold.test), {}

        trial = _settle.run(replace(request, backbone=None), arm_name(self.name, None), fit_fold)
        return replace(trial, reason=trial.reason or "the same boxes for every image")

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "grid"."""
        reads = modalities.get(request.dataset.modality).PLAIN
        tensors = {"head.boxes": _usual(request, request.split.development)}
        more = _settle.of(trial.choices, request.task.outputs)
        return Model(request.task, reads, {"kind": "grid"}, {**tensors, **more})


def _usual(request: Request, rows: np.ndarray) -> np.ndarray:
    """float32 `[M, 6]`"""
    truth: list[Boxes] = list(request.dataset.targets[rows].boxes)
    found = []
    for number in range(request.task.outputs):
        own = [one.corners[one.classes == number] / np.array(one.size[::-1] * 2) for one in truth]
        boxes = np.concatenate(own)
        if not len(boxes):
            continue
        often = len(boxes) / len(truth)
        count = max(1, min(100, round(often)))
        width, height = (boxes[:, 2:] - boxes[:, :2]).mean(axis=0)
        columns = int(np.ceil(np.sqrt(count)))
        lines = -(-count // columns)
        for place in range(count):
            x, y = (place % columns + 0.5) / columns, (place // columns + 0.5) / lines
            score = min(0.9, often / count) * (1 - 1e-3 * place)
            found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2, number, score))
    return np.array(found, np.float32).reshape(-1, 6)


class Blobs:
    """Ridge regression of every pixel on colours, textures and place; a box around each connected part."""

    name = "pixels"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Decoding once, and a closed form a fold."""
        folds = request.split.folds
        tested = sum(len(fold.test) for fold in folds)
        return Cost(seconds=0.02 * len(request.dataset) + 0.6 * (len(folds) + 1) + 0.02 * tested)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds the "penalty" of each fold, "thresholds" and "said"."""
        from headstart.nets import blobs

        plain = replace(request, backbone=None)
        reader, drawn = Reader(plain), {}  # type: ignore[var-annotated]

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[Any, dict[str, Any]]:  # noqa: ARG001
            linear, (least, most) = _linear(request, reader, fold.train, drawn), _sides(request, fold.train)
            tables = (blobs.parts_of(scores_of(linear, reader(row))) for row in fold.test.tolist())
            return [blobs.of_size(table, least, most) for table in tables], {"penalty": linear.penalty}

        trial = _settle.run(plain, arm_name(self.name, None), fit_fold)
        return replace(trial, reason=trial.reason or "connected parts by colour, texture and place")

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "blobs"."""
        reader, rows = Reader(request), request.split.development
        linear, (least, most) = _linear(request, reader, rows, {}), _sides(request, rows)
        tensors = {
            "head.weight": linear.weight, "head.bias": linear.bias, "sides.least": least, "sides.most": most,
        }  # fmt: skip
        more = _settle.of(trial.choices, request.task.outputs)
        single = {name: array.astype(np.float32) for name, array in tensors.items()}
        return Model(request.task, reader.contract, {"kind": "blobs"}, {**single, **more})


def _linear(
    request: Request, reader: Reader, rows: np.ndarray, drawn: dict[int, tuple[Any, Any]]
) -> _ridge.Fitted:
    """Of the classes, and of what is no object."""
    for row in rows.tolist():
        if row not in drawn:
            rng = np.random.default_rng([request.seed, row])
            mask = _filled(request.dataset.targets[row], request.task.outputs)
            points = _ridge.draw(mask, len(request.split.development), rng)
            drawn[row] = (picked(reader(row), points.at), points.classes)
    x, classes = zip(*(drawn[row] for row in rows.tolist()), strict=True)
    return _ridge.fit(x, classes, request.task.outputs + 1)


def _filled(boxes: Boxes, nothing: int) -> np.ndarray:
    """uint8 `[H, W]`: the class inside the ellipse of each box, void in its corners, `nothing` elsewhere;
    small boxes lie over large ones."""
    height, width = boxes.size
    mask = np.full(boxes.size, nothing, np.uint8)
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
    for row in np.argsort(-sides.prod(axis=1), kind="stable").tolist():
        left, top, right, bottom = boxes.corners[row].tolist()
        down = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
        across = slice(max(0, int(left)), max(0, int(np.ceil(right))))
        far = ((2 * x[:, across] - left - right) / max(1e-3, right - left)) ** 2
        far = far + ((2 * y[down] - top - bottom) / max(1e-3, bottom - top)) ** 2
        part = mask[down, across]
        part[(far > 1) & (part == nothing)] = VOID
        crowd = boxes.crowd is not None and boxes.crowd[row]
        part[far <= 1] = VOID if crowd else boxes.classes[row]
    return mask


def _sides(request: Request, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(least, most) float64 `[K, 2]`: width and height in 0 to 1; none for a class without boxes."""
    outputs = request.task.outputs
    least, most = np.full((outputs, 2), 2.0), np.full((outputs, 2), 2.0)
    truth: list[Boxes] = list(request.dataset.targets[rows].boxes)
    for number in range(outputs):
        own = [one.corners[one.classes == number] / np.array(one.size[::-1] * 2) for one in truth]
        boxes = np.concatenate(own)
        if len(boxes):
            low, high = np.quantile(boxes[:, 2:] - boxes[:, :2], [0.05, 0.95], axis=0)
            least[number], most[number] = low / SLACK, high * SLACK
    return least, most
