"""Small stand-ins made from a seed: pictures of shapes, a tiny network with its cuts, features in memory.

They satisfy the contracts of `headstart.core` and need no file and no download, so that strategies,
plans and reports can be tested in milliseconds.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart import modalities
from headstart.core.backbone import Dense, Stage
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.features import FeatureSpec, Tap
from headstart.core.source import Source
from headstart.core.split import Fold, Split
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, Task
from headstart.errors import UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing, image_input

SHAPES = ("disc", "square", "cross", "ring", "stripes", "dots")
"""What `shape` can draw, and the labels of `shapes`."""
SIDE = 24
"""Side length of the pictures, and input size of the tiny network."""


TINT = 60.0
"""How much brighter one colour channel of a shape is on average: which one depends on the shape."""


def shape(name: str, rng: np.random.Generator, *, side: int = SIDE, size: float | None = None) -> np.ndarray:
    """uint8 `[side, side, 3]`: a shape of random place, size and (tinted) colour on a noisy ground.

    `size` is its half width as a share of the side. Raises `UnknownName`.
    """
    if name not in SHAPES:
        raise UnknownName("shape", name, SHAPES)
    half = side * (rng.uniform(0.25, 0.4) if size is None else size)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2 - rng.uniform(-0.1, 0.1, (2, 1, 1)) * side
    far, across, down = np.hypot(x, y), np.abs(x), np.abs(y)
    inside = (across < half) & (down < half)
    mask = {
        "disc": far < half,
        "square": inside,
        "cross": inside & ((across < half / 3) | (down < half / 3)),
        "ring": (far < half) & (far > 0.55 * half),
        "stripes": inside & (np.floor(y / 2) % 2 == 0),
        "dots": inside & (np.floor(y / 2) % 2 == 0) & (np.floor(x / 2) % 2 == 0),
    }[name]
    ground, colour = rng.uniform(0, 90, 3), rng.uniform(100, 255 - TINT, 3)
    colour[SHAPES.index(name) % 3] += TINT
    picture = np.where(mask[:, :, None], colour, ground) + rng.normal(0, 12, (side, side, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def shapes(
    kind: str = CLASSIFICATION,
    *,
    classes: int = 3,
    per_class: int = 12,
    seed: int = 0,
    labels: Sequence[str] | None = None,
    noise: float = 0.0,
) -> Dataset:
    """A labelled data set of pictures of shapes, in random order.

    Classification: the shape, `noise` being the share of labels drawn at random. Multi-label: the
    shape, and whether the picture is bright (one label more). Regression: the size of the shape.
    `labels` are other names for the classes.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(classes), per_class))
    size = rng.uniform(0.15, 0.45, len(y)) if kind == REGRESSION else np.full(len(y), np.nan)
    pictures = [shape(SHAPES[c], rng, size=None if np.isnan(s) else s) for c, s in zip(y, size, strict=True)]
    names = tuple(labels or SHAPES[:classes])
    target: np.ndarray
    wrong = rng.random(len(y)) < noise
    y[wrong] = rng.integers(classes, size=int(wrong.sum()))
    if kind == CLASSIFICATION:
        task, target = Task(kind, names, "accuracy"), y.astype(np.int64)
    elif kind == MULTILABEL:
        bright = np.array([p.mean() for p in pictures]) > 80
        task = Task(kind, (*names, "bright"), "mAP")
        target = np.column_stack([np.eye(classes)[y], bright]).astype(np.float32)
    else:
        task, target = Task(kind, ("size",), "MAE", higher_is_better=False), size
    items = tuple(ArrayItem(f"{i:04d}", picture) for i, picture in enumerate(pictures))
    return Dataset("shapes", "image", items, task=task, targets=target, origin="shapes")


def folds(
    dataset: Dataset,
    *,
    parts: int = 3,
    repeats: int = 1,
    test: float = 0.0,
    free: int = 0,
    seed: int = 0,
) -> Split:
    """A split with random folds, the first share `test` of the (shuffled) rows kept as test part. The last
    `free` of them are in no part, as rows without a label are."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(dataset))
    kept = round(test * len(dataset))
    development = np.sort(order[kept : len(order) - free])
    made = []
    for repeat in range(repeats):
        place = rng.permutation(np.arange(len(development)) % parts)
        made += [Fold(repeat, development[place != p], development[place == p]) for p in range(parts)]
    groups = np.arange(len(dataset))
    kind = f"{repeats} x {parts} folds"
    return Split(development, np.sort(order[:kept]), tuple(made), groups, seed, kind)


def _layer(entering: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(entering, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=False)
    )


class TinyNetwork(nn.Module):
    """Three convolutions with batch norm, each halving the side, then a mean: `[B, 3, H, W]` -> `[B, 24]`."""

    WIDTHS = (8, 16, 24)

    def __init__(self) -> None:
        super().__init__()
        self.stem = _layer(3, self.WIDTHS[0])
        self.middle = _layer(self.WIDTHS[0], self.WIDTHS[1])
        self.last = _layer(self.WIDTHS[1], self.WIDTHS[2])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.pool(self.last(self.middle(self.stem(x))))
        return embedding


def index(cuts: Sequence[str], cut: str) -> int:
    """The place of a cut. Raises `UnknownName`."""
    if cut not in cuts:
        raise UnknownName("cut", cut, cuts)
    return cuts.index(cut)


def digest_of(*parts: nn.Module) -> str:
    """Of names and weights."""
    sha = hashlib.sha256()
    for part in parts:
        for name, tensor in part.state_dict().items():
            sha.update(name.encode() + tensor.numpy(force=True).tobytes())
    return sha.hexdigest()


PIECES = ("stem", "middle", "last", "pool")


def _between(network: TinyNetwork, start: int, stop: int) -> nn.Sequential:
    made = nn.Sequential(*(getattr(network, piece) for piece in PIECES[start:stop]))
    made.training = network.training
    return made


class TinyBackbone:
    """A `Backbone` of 5,000 weights: cuts "input", "stem", "middle", "last" and "pool" (the embedding).

    Its weights are random and depend on `seed` only. With `labels` it has a classifier of that many
    classes, random until `teach` is called.
    """

    def __init__(self, seed: int = 0, *, labels: Sequence[str] | None = None, name: str = "tiny") -> None:
        self.seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module: Any = TinyNetwork().eval()
            self.classifier: Any | None = nn.Linear(24, len(labels)).eval() if labels else None
            for layer in self.module.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr, operator]
                    layer.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr, operator]
        self.source = Source(
            spec=f"fake/{name}",
            name=name,
            architecture={"library": "fake", "arch": "tiny", "kwargs": {}},
            input=ImagePreprocessing(size=(SIDE, SIDE), interpolation="bilinear", crop_pct=1.0),
            parameters=sum(p.numel() for p in self.module.parameters()),
            labels=tuple(labels) if labels else None,
            local=True,
        )
        self.cuts: tuple[str, ...] = ("input", *PIECES)
        sides = (SIDE // 2, SIDE // 4, SIDE // 8, 1)
        widths = (*TinyNetwork.WIDTHS, TinyNetwork.WIDTHS[-1])
        self.embedding = Tap(PIECES[-1], 1)
        self.stages: tuple[Stage, ...] = tuple(
            Stage(piece, piece, width, side) for piece, width, side in zip(PIECES, widths, sides, strict=True)
        )

    @property
    def digest(self) -> str:
        return digest_of(self.module, *([] if self.classifier is None else [self.classifier]))

    def full(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.module(x)
        return embedding

    def trunk(self, cut: str) -> nn.Sequential:
        return _between(self.module, 0, index(self.cuts, cut))

    def tail(self, cut: str) -> nn.Sequential:
        return _between(self.module, index(self.cuts, cut), len(PIECES))

    def states(self, x: Tensor, cuts: tuple[str, ...]) -> dict[str, Tensor]:
        found, wanted = {"input": x}, max((index(self.cuts, cut) for cut in cuts), default=0)
        for piece in PIECES[:wanted]:
            x = found[piece] = getattr(self.module, piece)(x)
        return {cut: found[cut] for cut in cuts}

    def pool(self, state: Tensor, tap: Tap) -> Tensor:
        if state.ndim == 2:
            return state.float()
        return nn.functional.adaptive_avg_pool2d(state.float(), int(tap.grid)).flatten(1)

    def dense(self, state: Tensor, stage: str) -> Dense:
        index([one.name for one in self.stages], stage)
        values = (state[..., None, None] if state.ndim == 2 else state).movedim(1, -1)
        return Dense(values, torch.ones(values.shape[:-1], dtype=torch.bool))

    def width(self, tap: Tap) -> int:
        channels = {stage.name: stage.channels for stage in self.stages}
        return channels[tap.stage] * int(tap.grid) ** 2

    def example(self, batch: int) -> np.ndarray:
        return np.zeros((batch, 3, SIDE, SIDE), dtype=np.uint8)

    def taps(self) -> tuple[Tap, ...]:
        return tuple(
            Tap(stage.name, grid)
            for stage in self.stages
            for grid in (1, 2, 4)
            if grid == 1 or grid < stage.side
        )

    def normalise(self, pixels: Tensor) -> Tensor:
        mean = torch.tensor(image_input(self.source).mean, device=pixels.device).view(1, 3, 1, 1)
        std = torch.tensor(image_input(self.source).std, device=pixels.device).view(1, 3, 1, 1)
        return (pixels.float() / 255.0 - mean) / std

    def fresh(self, seed: int) -> TinyBackbone:
        return TinyBackbone(10_000 + seed, labels=self.source.labels, name=self.source.name)

    def copy(self) -> TinyBackbone:
        return copy.deepcopy(self)

    def teach(self, dataset: Dataset, *, sharpness: float = 20.0) -> TinyBackbone:
        """The same with a classifier fitted (by least squares) to the data set's classes."""
        assert self.classifier is not None
        twin = self.copy()
        features = MemoryExtractor(dataset)(twin, FeatureSpec(cut=self.cuts[-1])).state()
        x = np.column_stack([features, np.ones(len(dataset))]).astype(np.float64)
        wanted = np.eye(len(self.source.labels or ()))[dataset.targets[:]]
        solution = np.linalg.lstsq(x, wanted, rcond=1e-6)[0].T * sharpness  # [classes, 25]
        with torch.no_grad():
            twin.classifier.weight.copy_(torch.from_numpy(solution[:, :-1]))  # type: ignore[union-attr]
            twin.classifier.bias.copy_(torch.from_numpy(solution[:, -1]))  # type: ignore[union-attr]
        return twin


@dataclass(eq=False)
class MemoryFeatures:
    """`Features` held in memory, read-only."""

    backbone_digest: str
    taps: tuple[Tap, ...]
    views: int
    forward_passes: float
    seconds: float = 0.0
    arrays: dict[tuple[str, int], np.ndarray] = field(default_factory=dict, repr=False)

    def tap(self, tap: Tap, view: int = 0) -> Any:
        return self.arrays[str(tap), view]

    def state(self, view: int = 0) -> Any:
        return self.arrays["state", view]

    def inputs(self, view: int = 0) -> Any:
        return self.arrays["inputs", view]


class MemoryExtractor:
    """An `Extractor` that computes everything on first use and keeps it; counts its forward passes.

    Without a backbone it gives prepared inputs only.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.forward_passes = 0.0
        self._kept: dict[tuple[str, FeatureSpec, Any], MemoryFeatures] = {}

    def __call__(self, backbone: Any, spec: FeatureSpec) -> MemoryFeatures:
        reads = None if backbone is None else backbone.source.input
        key = (backbone.digest if backbone is not None else "", spec, reads)
        if key in self._kept:
            kept = self._kept[key]
            return MemoryFeatures(kept.backbone_digest, kept.taps, kept.views, 0.0, 0.0, kept.arrays)
        passes = float(1 + spec.views) if backbone is not None and (spec.taps or spec.cut) else 0.0
        made = MemoryFeatures(key[0], spec.taps, spec.views, passes)
        for view in range(1 + spec.views):
            for name, array in self._read(backbone, spec, view).items():
                array.flags.writeable = False
                made.arrays[name, view] = array
        self._kept[key] = made
        self.forward_passes += passes
        return made

    def _read(self, backbone: Any, spec: FeatureSpec, view: int) -> dict[str, np.ndarray]:
        modality = modalities.get(self.dataset.modality)
        contract = backbone.source.input if backbone is not None else None
        contents = [item.read() for item in self.dataset.items]
        found: dict[str, np.ndarray] = {}
        if spec.inputs is not None:
            found["inputs"] = np.stack([modality.stored(data, contract, spec.inputs) for data in contents])
        if backbone is None or not (spec.taps or spec.cut):
            return found
        kind = spec.view_kind or modality.DEFAULT_VIEW
        prepared = [
            modality.prepare(data, contract, view=view, kind=kind, key=digest)
            for data, digest in zip(contents, self.dataset.digests(), strict=True)
        ]
        cut_of = {stage.name: stage.cut for stage in backbone.stages}
        cuts = tuple(
            dict.fromkeys([*(cut_of[t.stage] for t in spec.taps), *([spec.cut] if spec.cut else [])])
        )
        with torch.inference_mode():
            x = backbone.normalise(torch.from_numpy(modality.collate(prepared)))
            states = backbone.states(x, cuts)
            for tap in spec.taps:
                found[str(tap)] = backbone.pool(states[cut_of[tap.stage]], tap).half().numpy()
            if spec.cut:
                state = states[spec.cut]
                if spec.length is not None:
                    state = state[..., : spec.length, :]
                    state = nn.functional.pad(state, (0, 0, 0, spec.length - state.shape[-2]))
                found["state"] = state.half().numpy()
        return found
