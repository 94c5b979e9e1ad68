"""What is decided before a training, as a record that a trial can carry, and what it reads by that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart import modalities
from headstart.core import fingerprint
from headstart.core.backbone import Backbone
from headstart.core.features import FeatureSpec, Rows, Tap
from headstart.core.masked import Layout, layout_at
from headstart.core.strategy import Request, Settings
from headstart.core.words import count
from headstart.errors import BadOption, UnknownName
from headstart.train.augment import Augment, centre
from headstart.train.batches import Vary
from headstart.train.choice import Choice
from headstart.train.groups import OPTIMIZERS
from headstart.train.recipe import Recipe
from headstart.train.rgn import AUTO_RGN
from headstart.train.trim import Trim, trimmed

DEFAULT_VIEWS = ((2_000, 4), (10_000, 2))
"""(rows, views): up to so many rows, so many stored views to train on; none beyond. A view is a pass."""

STEP = 8
"""Stored sequences are padded to a multiple of so many tokens."""


@dataclass(frozen=True)
class Design:
    """How one arm trains."""

    cut: str
    """Everything before it stays as it is; "input" trains all."""
    freeze: str
    """The stage that ends at the cut, or "none"."""
    recipe: Recipe
    batch_size: int
    epochs: int
    views: int = 0
    """Stored augmented views (training from a cut)."""
    augment: str = "crop-flip"
    side: int | None = None
    """Side of the network's input in pixels (training from the pixels)."""
    length: int | None = None
    """Of texts: tokens that stored inputs and states are padded to."""
    smaller: bool = False
    """Whether that is less than the source's own, for want of time."""
    rates: tuple[float, ...] = ()
    """Learning rates of which every fold chooses by its own training rows; empty: that of the recipe."""
    share: float = 1.0
    """Of the trained weights in an average with the probe's."""
    automatic: bool = False
    """Whether every fold chooses its cut by its own training rows; `cut` is that of all rows then."""
    choice: Choice | None = None
    """The engine of its steps; None: as before there were any."""
    aimed: int = 0
    """Epochs aimed at, where there is time for fewer; 0: there is for all of them."""

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads: goes into `Trial.choices`."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "recipe"}
        rates, choice = data.pop("rates"), data.pop("choice")
        tried = {"rates": list(rates)} if rates else {}
        for name, usual in (
            ("share", 1.0),
            ("automatic", False),
            ("aimed", 0),
        ):  # which earlier versions did not have
            if data[name] == usual:
                del data[name]
        found = {**self.recipe.to_json(), **data, **tried}
        return found if choice is None else {**found, "engine": choice.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Design:
        """Back from a trial's choices; other keys are ignored."""
        recipe = Recipe(**{name: data[name] for name in Recipe.__dataclass_fields__ if name in data})
        own = {name: data[name] for name in cls.__dataclass_fields__ if name in data and name != "recipe"}
        choice = Choice.of(data.get("engine"))
        return cls(recipe=recipe, **{**own, "rates": tuple(own.get("rates", ())), "choice": choice})

    def lasting(self, epochs: int, per_epoch: int) -> Design:
        """The same, for so many epochs."""
        return replace(self, epochs=epochs, recipe=replace(self.recipe, steps=epochs * per_epoch))

    @property
    def duration(self) -> str:
        """In words: "30 epochs", "12 of 30 epochs"."""
        return f"{self.epochs} of {self.aimed} epochs" if self.aimed else count(self.epochs, "epoch")

    def aiming(self, epochs: int) -> Design:
        """The same, which says so where it lasts for fewer epochs than that."""
        return replace(self, aimed=epochs if self.epochs < epochs else 0)

    def at(self, rate: float) -> Design:
        """The same at a learning rate."""
        return replace(self, recipe=replace(self.recipe, lr=rate))


def check(settings: Settings, modality: str = "image") -> None:
    """Raises `BadOption` or `UnknownName` for settings that no training can follow."""
    if settings.optimizer is not None and settings.optimizer not in OPTIMIZERS:
        raise BadOption("--optimizer", settings.optimizer, " or ".join(OPTIMIZERS))
    if settings.layer_rates not in (None, AUTO_RGN):
        raise BadOption("--layer-rates", settings.layer_rates, AUTO_RGN)
    kinds = tuple(modalities.get(modality).VIEWS)
    if settings.augment is not None and settings.augment not in kinds:
        raise UnknownName("augmentation", settings.augment, kinds)
    for option, value in (("--lr", settings.lr), ("--head-lr", settings.head_lr)):
        if value is not None and not (isinstance(value, int | float) and 0 < value < 1e3):
            raise BadOption(option, value, "a positive number")
    for option, number in (("--epochs", settings.epochs), ("--batch-size", settings.batch_size)):
        if number is not None and not (isinstance(number, int) and number >= 1):
            raise BadOption(option, number, "a whole number of at least 1")
    if settings.views is not None and not (isinstance(settings.views, int) and 0 <= settings.views <= 64):
        raise BadOption("--views", settings.views, "a whole number from 0 to 64")


def batch_size(settings: Settings, rows: int) -> int:
    """16 for up to 250 rows, 32 for up to 2,500, then 64; or what was set."""
    return settings.batch_size or (16 if rows <= 250 else 32 if rows <= 2_500 else 64)


def views(settings: Settings, rows: int, modality: str = "image") -> int:
    """How many augmented views of the states at the cut to train on. None where they do not pay, unless it
    was set."""
    if settings.augment == "none":
        return 0
    if settings.views is not None:
        return settings.views
    if not modalities.get(modality).VIEWS_PAY:
        return 0
    return next((count for most, count in DEFAULT_VIEWS if rows <= most), 0)


AUTO = "auto"
"""For `--freeze`: the cut is chosen by the profile of the layers."""


def frozen_stage(backbone: Backbone, name: str) -> tuple[str, str]:
    """(stage or "none", cut) for `--freeze NAME`. Raises `UnknownName`, `BadOption` for the last stage."""
    if name == "none":
        return "none", backbone.cuts[0]
    names = [stage.name for stage in backbone.stages]
    if name not in names:
        raise UnknownName("stage", name, [*names, "none", AUTO])
    if name == names[-1]:
        raise BadOption(
            "--freeze", name, f"a stage before the last one ({', '.join(names[:-1])}) or none; "
            "with everything frozen the probe is what you want",
        )  # fmt: skip
    return name, next(stage.cut for stage in backbone.stages if stage.name == name)


def training_rows(request: Request) -> int:
    """Rows the first fold trains on."""
    return len(request.split.folds[0].train)


@dataclass(frozen=True)
class Inputs:
    """What the trainings of an arm read from disk."""

    views: tuple[Rows, ...]
    embedding: Rows | None
    """The stored embedding, from which the head's first weights are fitted; None: at random."""
    size: tuple[int, int] | None
    """Input size in pixels; None for states at a cut, and for sequences."""
    forward_passes: float = 0.0
    layout: Layout | None = None
    """How sequences lie in what is stored; None: it holds none."""

    def unvaried(self, inputs: Tensor) -> Tensor:
        """Stored rows as the network reads them, for evaluation."""
        if self.layout is not None:
            return trimmed(inputs, self.layout)
        return inputs if self.size is None else centre(inputs, self.size)

    def varied(self, kind: str, seed: int) -> Vary | None:
        """What stored rows go through in training."""
        if self.layout is not None:
            return Trim(self.layout)
        return Augment(kind, self.size, seed) if self.size is not None else None


def states_at(request: Request, design: Design, *, probe: bool) -> FeatureSpec:
    """What a training from a cut reads: the states there of every view, and the embedding to begin with."""
    taps = (request.network.embedding,) if probe else ()
    return FeatureSpec(taps, design.cut, design.length, views=design.views, view_kind=design.augment)


def load_inputs(request: Request, design: Design, *, probe: bool) -> Inputs:
    """Have the pass store what the design needs, and open it."""
    backbone = request.network
    taps: tuple[Tap, ...] = (backbone.embedding,) if probe else ()
    contract, size = backbone.source.input, None
    if design.cut != backbone.cuts[0]:
        features = request.features(backbone, states_at(request, design, probe=probe))
        views: tuple[Rows, ...] = tuple(features.state(view) for view in range(design.views + 1))
    elif contract.size is not None:
        size = input_size(backbone, design)
        spec = FeatureSpec(taps, inputs=contract.stored_size(size))
        features = request.features(backbone if probe else None, spec)
        views = (features.inputs(),)
    else:
        features = request.features(backbone, FeatureSpec(taps=taps, inputs=design.length))
        views = (features.inputs(),)
    embedding = features.tap(taps[0]) if probe else None
    return Inputs(views, embedding, size, features.forward_passes, layout_at(backbone, design.cut))


def input_size(backbone: Backbone, design: Design) -> tuple[int, int]:
    """Height and width a design of images trains at, in pixels."""
    size = backbone.source.input.size
    assert size is not None
    return size if design.side is None or design.side == max(size) else (design.side, design.side)


_LENGTHS: dict[tuple[str, str], int] = {}
"""Counted in this process, by content of data set and contract: the same whichever thread comes first."""


def length_of(request: Request, cut: str = "") -> int | None:
    """Tokens or frames that the longest item of the data set has for the source, rounded up; None for what is
    no sequence. With a `cut` the states that there are of them: a token is one, of frames the network makes
    fewer."""
    backbone = request.network
    contract = backbone.source.input
    if contract.max_length is None:
        return None
    key = (request.dataset.fingerprint, fingerprint.of_json(contract.to_json()))
    if key not in _LENGTHS:
        longest = modalities.longest(request.dataset.items, contract)
        _LENGTHS[key] = min(-(-longest // STEP) * STEP, contract.max_length)
    length, entry = _LENGTHS[key], contract.signature()
    if cut in ("", backbone.cuts[0]) or np.dtype(entry.dtype).kind in "iu":
        return length
    known = (backbone.digest, f"{cut}@{length}")
    if known not in _LENGTHS:
        with torch.inference_mode():
            x = backbone.normalise(torch.from_numpy(replace(entry, usual=length).blank(1)))
            _LENGTHS[known] = int(backbone.states(x, (cut,))[cut].shape[-2])
    return _LENGTHS[known]
