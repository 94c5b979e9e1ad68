"""What a strategy may ask of the one pass, and what it gets: arrays in the order of the data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

MAP = "map"
"""The grid of a tap that is not pooled."""


@dataclass(frozen=True, order=True)
class Tap:
    """Features read from a network: a stage, and how its state becomes one vector an item.

    Of images: pooled to `grid` x `grid` cells, `channels * grid**2` numbers; for patch tokens grid 0
    means the class token and grid 1 the mean of the patches; grid "map" means all places of the map,
    `channels * height * width` numbers. Of sequences `grid` is a word: "cls", "last",
    "mean", "max", or "mean-max" for both side by side.
    """

    stage: str
    grid: int | str = 1

    def __str__(self) -> str:
        return f"{self.stage}/g{self.grid}" if isinstance(self.grid, int) else f"{self.stage}/{self.grid}"

    @classmethod
    def parse(cls, text: str) -> Tap:
        """Back from `str`. Raises `ValueError`."""
        stage, slash, grid = text.rpartition("/")
        if not slash or not grid:
            raise ValueError(f"{text!r} is not the name of a tap")
        return cls(stage, int(grid[1:]) if grid[0] == "g" and grid[1:].isdecimal() else grid)


@dataclass(frozen=True)
class FeatureSpec:
    """What to store in a pass. View 0 is the item as it is; 1 to `views` are augmented views."""

    taps: tuple[Tap, ...] = ()
    cut: str | None = None
    """Also store the full state at this cut (to train the layers behind it)."""
    length: int | None = None
    """Of texts: tokens that each state at the cut is padded or cut to."""
    inputs: int | None = None
    """Also store the prepared inputs (to train from the input): images uint8 with this short side, texts
    int32 padded or cut to so many tokens."""
    views: int = 0
    view_kind: str = ""
    """Recipe of the augmented views, see `VIEWS` of the modality; empty: its default one."""
    viewed: tuple[int, ...] | None = None
    """Rows of which views are stored; None: all."""


class Rows(Protocol):
    """A read-only array on disk: `rows[index]` with an int64 index array gives a numpy array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int: ...

    def __getitem__(self, index: np.ndarray) -> np.ndarray: ...


class Features(Protocol):
    """Stored activations of one source on one data set; row i belongs to item i."""

    backbone_digest: str
    taps: tuple[Tap, ...]
    views: int
    forward_passes: float
    """Passes over the data that this cost now (0 when everything was stored already)."""
    seconds: float

    def tap(self, tap: Tap, view: int = 0) -> Rows:
        """float16 `[N, D]` on disk."""

    def state(self, view: int = 0) -> Rows:
        """float16 `[N, ...]`: states at the spec's cut."""

    def inputs(self, view: int = 0) -> Rows:
        """uint8 `[N, 3, side, side]` or int32 `[N, channels, length]`: prepared, before normalisation."""


class Extractor(Protocol):
    """Gives the stored features of a data set, computing what is missing. Bound by `run`."""

    def __call__(self, backbone: Any, spec: FeatureSpec) -> Features: ...


@runtime_checkable
class StoredFeatures(Extractor, Protocol):
    """An `Extractor` that knows what is stored."""

    def missing(self, backbone: Any, spec: FeatureSpec) -> float:
        """Share of the items, 0 to 1, that a pass would have to compute."""
