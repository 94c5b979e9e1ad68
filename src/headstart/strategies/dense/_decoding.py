"""Training a head over maps: stored ones, and those that layers behind a cut make of a stored state.

Every view of an image is a row of the store, and its target moves as its pixels did (`core.frame`): an epoch
reads no image, whatever is trained. From the first cut on that is the whole network, on stored pixels. What
the head is and what it learns is the `Arm`'s: here a decoder and masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from headstart import modalities, tasks
from headstart.core.features import Features, FeatureSpec, Rows, Tap
from headstart.core.maps import VOID
from headstart.core.strategy import Request
from headstart.nets.decoder import Decoder
from headstart.passes.extractor import digests
from headstart.strategies.dense._sizes import extent
from headstart.strategies.gradient._design import Design
from headstart.strategies.gradient._training import Begun, Kind, Trained, attempts
from headstart.train.batches import Batches
from headstart.train.device import reproducible
from headstart.train.engines import Loss
from headstart.train.freeze import FrozenPart
from headstart.train.groups import parameter_groups, stage_depths
from headstart.train.loop import Watch, train
from headstart.train.recipe import Recipe

FINEST = 6
"""Maps with more cells than the image has pixels divided by this on a side are left out: logits at stride 8
are as good when they are scaled, at a third of the time of a step."""
FINER = 2
"""Masks are compared at so many times the size of the largest map."""
VIEWS = "scene"
STEPS, POWER = 65, 0.7
"""Steps aimed at: so many times the images to this power. Few are soon known by heart: with 570 steps in
place of 340 ten of CamVid gave an mIoU that was .02 lower."""
RARE = 0.5
"""A class weighs by minus this power of its pixels."""
SEEN = 32
"""Images by which maps are standardised."""


class Joined:
    """Several stored arrays side by side (`core.features.Rows`): `[N, sum of their numbers]`."""

    shape: tuple[int, ...]

    def __init__(self, parts: Sequence[Rows]) -> None:
        self.parts = tuple(parts)
        self.shape = (len(parts[0]), sum(int(np.prod(one.shape[1:])) for one in parts))
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        found = [one[index] for one in self.parts]
        return np.concatenate([one.reshape(len(one), -1) for one in found], axis=1)


class Mapper(nn.Module):
    """Stored maps and the state at a cut, flat `[B, D]` -> scores `[B, K, h, w]`."""

    def __init__(self, backbone: Any, arm: Arm) -> None:
        super().__init__()
        cuts = {stage.name: stage.cut for stage in backbone.stages}
        later = [tap.stage for tap in arm.taps if tap not in arm.stored]
        here = [name for name in later if cuts[name] == arm.design.cut]
        self.stages = (here, [name for name in later if name not in here])
        behind = list(dict.fromkeys(cuts[name] for name in self.stages[1]))
        self.body = backbone.between(arm.design.cut, behind) if behind else nn.Identity()
        self.head: Any = arm.head([backbone.map_shape(tap)[0] for tap in arm.taps])
        self.shapes, self._dense = arm.shapes, backbone.dense

    def maps(self, inputs: Tensor) -> list[Tensor]:
        """float32 `[B, C, h, w]`, the largest first."""
        flat = inputs.float().split([int(np.prod(shape)) for shape in self.shapes], dim=1)
        found = [part.view(-1, *shape) for part, shape in zip(flat, self.shapes, strict=True)]
        if any(self.stages):
            state = found.pop()
            here, behind = self.stages
            states = [state] * len(here)
            if behind:
                made = self.body(state.contiguous(memory_format=torch.channels_last))
                states += made if isinstance(made, tuple) else (made,)
            found += [
                self._dense(one, name).values.movedim(-1, 1)
                for one, name in zip(states, (*here, *behind), strict=True)
            ]
        return [one.contiguous(memory_format=torch.channels_last) for one in found]

    def forward(self, inputs: Tensor) -> Tensor:
        z: Tensor = self.head(self.maps(inputs))
        return z


@dataclass(frozen=True)
class Arm:
    """What the trainings of an arm share."""

    request: Request
    backbone: Any
    design: Design
    kind: Kind
    seen: dict[int, Any] = field(default_factory=dict, repr=False)
    """By row, its target as each view shows it: of masks uint8 `[1 + views, h, w]`."""

    net: ClassVar[str] = "decoder"
    """Kind of the net that is shipped."""

    @staticmethod
    def taps_of(backbone: Any) -> tuple[Tap, ...]:
        """All maps that the head reads, the largest first: those that are not too fine."""
        every = [tap for tap in backbone.taps() if tap.grid == "map"]
        most = max(backbone.source.input.size) / FINEST
        coarse = tuple(tap for tap in every if max(backbone.map_shape(tap)[1:]) <= most)
        return coarse if len(coarse) > 1 else tuple(every)

    @staticmethod
    def steps(images: int) -> int:
        """Aimed at with so many."""
        return max(1, round(STEPS * images**POWER))

    @cached_property
    def taps(self) -> tuple[Tap, ...]:
        """All maps that the head reads."""
        return self.taps_of(self.backbone)

    @cached_property
    def stored(self) -> tuple[Tap, ...]:
        """Those that lie before the cut."""
        cuts = self.backbone.cuts
        if not self.design.cut:
            return self.taps
        at = {stage.name: cuts.index(stage.cut) for stage in self.backbone.stages}
        return tuple(tap for tap in self.taps if at[tap.stage] < cuts.index(self.design.cut))

    @cached_property
    def features(self) -> Features:
        """The stored pass."""
        return self.request.features(self.backbone, self.spec)

    @property
    def spec(self) -> FeatureSpec:
        cut = self.design.cut or None
        viewed = tuple(self.request.split.development.tolist())
        return FeatureSpec(self.stored, cut, views=self.design.views, view_kind=VIEWS, viewed=viewed)

    @cached_property
    def views(self) -> tuple[Joined, ...]:
        """Of the items as they are, then of each view."""
        return tuple(
            Joined(
                [
                    *(self.features.tap(tap, view) for tap in self.stored),
                    *([self.features.state(view)] if self.design.cut else []),
                ]
            )
            for view in range(1 + self.design.views)
        )

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of what a row holds, part by part."""
        state = [tuple(self.features.state(0).shape[1:])] if self.design.cut else []
        return (*(self.backbone.map_shape(tap) for tap in self.stored), *state)

    def of(self, request: Request) -> Arm:
        """The same for another view of the data; what was read stays read."""
        other = replace(self, request=request)
        for name in ("features", "views", "shapes"):
            other.__dict__[name] = getattr(self, name)
        return other

    def frames(self, row: int) -> list[Any]:
        """What each view shows of a row (`core.frame.Frame`), the row itself first."""
        room: Any = modalities.get(self.request.dataset.modality)
        key = digests(self.request.dataset)[row]
        return [room.frame(view, VIEWS, key) for view in range(1 + self.design.views)]

    # what is learnt: another kind of answer has its own

    def head(self, channels: Sequence[int]) -> nn.Module:
        """What reads maps `[B, C, h, w]` of so many channels and gives scores `[B, K, h, w]`."""
        return Decoder(channels, self.request.task.outputs)

    def start(self, net: Mapper, rows: np.ndarray) -> None:
        """Fit what the head does not learn to the rows, where the trunk is not new."""
        if not self.kind.fresh:
            some = rows[np.linspace(0, len(rows) - 1, min(SEEN, len(rows))).astype(int)]
            net.head.standardise(net.maps(torch.from_numpy(self.views[0][some])))

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """`[n, 1 + views, ...]`, what `loss` takes: of masks uint8 `[n, 1 + views, h, w]`."""
        height, width = self.backbone.map_shape(self.taps[0])[1:]
        size, targets = (FINER * height, FINER * width), self.request.dataset.targets[rows]
        for place, row in enumerate(rows.tolist()):
            if row not in self.seen:
                mask = targets[place]
                self.seen[row] = np.stack([frame.nearest(mask, size, VOID) for frame in self.frames(row)])
        return np.stack([self.seen[row] for row in rows.tolist()])

    def loss(self, rows: np.ndarray) -> Loss:
        """Of a training on these rows."""
        return loss_of(self.request, rows)

    def answer(self, z: Tensor) -> np.ndarray:
        """What the task places in an image, from the scores `[1, K, h, w]` of one."""
        scores: np.ndarray = z[0].float().numpy()
        return scores


def loss_of(request: Request, rows: np.ndarray) -> Loss:
    """Cross-entropy of every place of a mask, void apart; in all a class counts by the root of its size."""
    number = request.dataset.targets[rows].counts().sum(axis=0).astype(np.float64)
    weights = np.where(number > 0, np.maximum(number, 1) ** -RARE, 0.0)
    table = torch.from_numpy(weights * number.sum() / max(1e-12, weights @ number)).float()

    def loss(z: Tensor, targets: Tensor) -> Tensor:
        scores = interpolate(z, targets.shape[1:], mode="bilinear", align_corners=False)
        each = cross_entropy(scores, targets.long(), table.to(z.device), ignore_index=VOID, reduction="none")
        return each.mean((1, 2))

    return loss


def begin(arm: Arm, rows: np.ndarray, recipe: Recipe) -> Begun:
    """A training on these rows before its first step."""
    request, design = arm.request, arm.design
    backbone = arm.backbone.fresh(request.seed) if arm.kind.fresh else arm.backbone.copy()
    with reproducible(request.seed):
        net = Mapper(backbone, arm)
    with torch.no_grad():
        arm.start(net.eval(), rows)
    net.requires_grad_(True)
    batches = Batches(
        arm.views, rows, arm.targets(rows), min(design.batch_size, len(rows)), request.seed, by_view=True
    )
    groups = parameter_groups(net.body, net.head, recipe, stage_depths(backbone))
    frozen = FrozenPart.of(backbone.module, net.body)
    return Begun(net, backbone, frozen, batches, groups, arm.loss(rows))


def train_on(arm: Arm, rows: np.ndarray, watch: Watch) -> Trained:
    """Train on the given rows; raises as `gradient._training.train_on` does."""

    def attempt(recipe: Recipe) -> Trained:
        begun = begin(arm, rows, recipe)
        outcome = train(
            begun.net,
            begun.batches,
            recipe,
            param_groups=begun.groups,
            loss=begun.loss,
            watch=watch,
            choice=arm.design.choice,
        )
        begun.frozen.verify()
        return Trained(begun.net, begun.backbone, outcome, recipe.lr)

    return attempts(arm.design.recipe, attempt)


def predict(arm: Arm, trained: Trained, rows: np.ndarray) -> list[Any]:
    """The answer for each row as it is, in its own size."""
    methods: Any = tasks.for_task(arm.request.task)
    net, found = trained.net.eval(), []
    with torch.inference_mode():
        for row in rows.tolist():
            z = net(torch.from_numpy(arm.views[0][np.array([row])]))
            found.append(methods.kept(methods.placed(arm.answer(z), extent(arm.request.dataset, row))))
    return found
