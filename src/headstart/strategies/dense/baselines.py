"""What needs no source: the commonest class everywhere, and a closed form on colours and textures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from headstart import modalities, tasks
from headstart.core.evidence import Cost
from headstart.core.maps import LabelMap
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial, arm_name
from headstart.strategies.dense import _ridge
from headstart.strategies.dense._sizes import extent
from headstart.strategies.shared._folds import run_folds

SIDE = 240
"""Longer side of the images that the simple model sees."""
HELD = 2**29
"""Bytes of such images that are kept; of more images smaller ones are."""


class Majority:
    """The class that most pixels have, for every pixel."""

    name = "majority"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """The masks are counted already."""
        return Cost(seconds=0.2 + 0.01 * len(request.dataset))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""

        def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
            best = int(self._shares(request, fold.train).argmax())
            sizes = (extent(request.dataset, row) for row in fold.test.tolist())
            return (LabelMap.of(np.full(size, best, np.uint8)) for size in sizes), {}

        trial = run_folds(replace(request, backbone=None), arm_name(self.name, None), fit_fold)
        return replace(trial, choices={}, reason=trial.reason or "the same answer for every pixel")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "constant"."""
        shares = self._shares(request, request.split.development)
        reads = modalities.get(request.dataset.modality).PLAIN
        bias = {"head.bias": shares.astype(np.float32)}
        return Model(request.task, reads, {"kind": "constant"}, bias)

    def _shares(self, request: Request, rows: np.ndarray) -> np.ndarray:
        counts = request.dataset.targets[rows].counts().sum(axis=0)
        return np.asarray(counts / max(1, counts.sum()))


class Colours:
    """Ridge regression of every pixel on colours, textures and place, and their products (`nets.colours`)."""

    name = "pixels"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Decoding once, and a closed form a fold."""
        folds = request.split.folds
        tested = sum(len(fold.test) for fold in folds)
        return Cost(seconds=0.01 * len(request.dataset) + 0.6 * (len(folds) + 1) + 0.02 * tested)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds the "penalty" of each fold."""
        request = replace(request, backbone=None)
        reader, drawn = Reader(request), {}  # type: ignore[var-annotated]
        methods: Any = tasks.for_task(request.task)

        def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
            linear = self._linear(request, reader, fold.train, drawn)
            maps = (
                LabelMap.of(methods.placed(scores_of(linear, reader(row)), extent(request.dataset, row)))
                for row in fold.test.tolist()
            )
            return maps, {"penalty": linear.penalty}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        return replace(trial, reason=trial.reason or "closed form on colours, textures and place")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "colours"."""
        reader = Reader(request)
        linear = self._linear(request, reader, request.split.development, {})
        head = {"head.weight": linear.weight.astype(np.float32), "head.bias": linear.bias.astype(np.float32)}
        return Model(request.task, reader.contract, {"kind": "colours"}, head)

    def _linear(
        self, request: Request, reader: Reader, rows: np.ndarray, drawn: dict[int, tuple[Any, Any]]
    ) -> _ridge.Fitted:
        masks = request.dataset.targets[rows]
        for place, row in enumerate(rows.tolist()):
            if row not in drawn:
                rng = np.random.default_rng([request.seed, row])
                points = _ridge.draw(masks[place], len(request.split.development), rng)
                drawn[row] = (picked(reader(row), points.at), points.classes)
        x, classes = zip(*(drawn[row] for row in rows.tolist()), strict=True)
        return _ridge.fit(x, classes, request.task.outputs)


class Reader:
    """The features of an image, from small pixels that are kept."""

    def __init__(self, request: Request) -> None:
        self.dataset = request.dataset
        masks: Any = request.dataset.targets
        height, width = masks.extent()
        most = (HELD / (3 * max(1, len(self.dataset)))) ** 0.5
        factor = min(SIDE, most) / max(height, width)
        size = (max(16, round(height * factor / 4) * 4), max(16, round(width * factor / 4) * 4))
        plain: Any = modalities.get(request.dataset.modality).PLAIN
        self.contract = replace(plain, size=size, crop_mode="squash")
        if self.dataset.levels is not None:
            self.contract = self.contract.with_levels(self.dataset.levels)
        self._kept: dict[int, np.ndarray] = {}

    def __call__(self, row: int) -> np.ndarray:
        """float32 `[D, h, w]`"""
        import torch

        from headstart.nets.colours import features

        if row not in self._kept:
            room = modalities.get(self.dataset.modality)
            self._kept[row] = room.prepare(self.dataset.items[row].read(), self.contract)
        with torch.inference_mode():
            found: np.ndarray = features(torch.from_numpy(self._kept[row])[None])[0].numpy()
        return found


def picked(table: np.ndarray, at: np.ndarray) -> np.ndarray:
    """float16 `[P, D]`: a map float `[D, h, w]` at places float32 `[P, 2]` (shares of height and width),
    bilinearly between the middles of its cells."""
    import torch

    depth, height, width = table.shape
    y = np.clip(at[:, 0] * height - 0.5, 0, height - 1)
    x = np.clip(at[:, 1] * width - 0.5, 0, width - 1)
    top, left = y.astype(np.int32), x.astype(np.int32)
    down, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    fy, fx = (y - top).astype(np.float32), (x - left).astype(np.float32)
    corners = [(top, left), (top, right), (down, left), (down, right)]
    shares = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx], axis=1)
    cells = np.stack([row * width + column for row, column in corners], axis=1)
    # sparse rows and torch's float16: eight times quicker than adding columns in numpy, and the same numbers
    mixed = csr_array(
        (shares.ravel(), cells.ravel(), np.arange(0, shares.size + 1, 4)), shape=(len(at), height * width)
    )
    flat = torch.from_numpy(table.reshape(depth, -1)).float().T.contiguous().numpy()
    found: np.ndarray = torch.from_numpy(mixed @ flat).half().numpy()
    return found


def scores_of(linear: _ridge.Fitted, table: np.ndarray) -> np.ndarray:
    """float32 `[K, h, w]`"""
    flat = linear.weight.astype(np.float32) @ table.reshape(len(table), -1)
    return (flat + linear.bias[:, None].astype(np.float32)).reshape(-1, *table.shape[1:])
