"""Fine-tuning: the layers behind a cut on stored activations, or all layers from the pixels or tokens.

Always linear probing first (LP-FT; Kumar et al., ICLR 2022): the head starts as the converged probe.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart import modalities
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec, StoredFeatures, Tap
from headstart.core.strategy import Request, Trial
from headstart.strategies.gradient import _arm, _design, _ladder, _settled
from headstart.strategies.gradient._design import Design, length_of
from headstart.strategies.gradient._ladder import Pace
from headstart.strategies.gradient._training import Arm, Kind
from headstart.strategies.linear import _taps
from headstart.strategies.linear._ridge import group_numbers, ridge_targets, silenced
from headstart.train.recipe import Recipe

STEPS, MOST_EPOCHS = 1_000, 30
"""Steps aimed at, and epochs never exceeded (unless set by hand)."""
TAIL_SHARES = ((1_000, 0.15), (float("inf"), 0.4))
"""(rows, share): with up to so many training rows, at least that share of the parameters is trained
behind the default cut. On few rows a longer tail only forgets: MobileNetV2 on 600 photos of CIFAR-10 gave
0.615 behind blocks.6 (18 % of the parameters) and 0.600 behind blocks.5 (3 folds; the probe 0.623)."""
STATISTICS_FROM = 64
"""Smallest batch from which BatchNorm statistics of a pretrained network are estimated again. Less costs
points: 12 epochs behind blocks.4 of MobileNetV2 on 244 photos of ants and bees gave 0.889 with batches
of 16 and moving statistics, 0.930 with the source's own (3 folds; the probe 0.939)."""
STATE_BYTES = 4_000_000_000
"""Largest size on disk of the states at a cut, all views together."""
SLOW = 0.1
"""Learning rates of slow fine-tuning, relative to the usual ones."""
BACKWARD = 2
"""Forward passes that a step takes at least."""
PASS_SHARE = 0.35
"""Largest share of the time that the pass over the augmented views may take."""


class Finetune(_arm.Trains):
    """Trains the layers behind a cut on stored activations: the trunk before it is never run."""

    name = "finetune"
    kind = Kind("finetune", STEPS, MOST_EPOCHS)

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """Passes for the views, then the folds at an assumed fifth of the network's work."""
        passes = 1.0 + _design.views(request.settings, len(request.dataset), request.dataset.modality)
        return _arm.cost(request, self.kind, seconds_per_pass, passes=passes, share=0.2)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        return fit_design(request, self.kind, design_cut(request))


class FinetuneSlow(Finetune):
    """The same at a tenth of the learning rates: less of what the source has learnt is changed."""

    name = "finetune-slow"
    kind = Kind("finetune-slow", STEPS, MOST_EPOCHS)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        design = design_cut(request)
        slow = replace(
            design.recipe,
            lr=SLOW * design.recipe.lr,
            head_lr=None if design.recipe.head_lr is None else SLOW * design.recipe.head_lr,
        )
        return fit_design(request, self.kind, replace(design, recipe=slow))


class Full(_arm.Trains):
    """Trains every layer from the pixels."""

    name = "full"
    kind = Kind("full", STEPS, MOST_EPOCHS)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        return fit_design(request, self.kind, design_whole(request))


def fit_design(request: Request, kind: Kind, design: Design) -> Trial:
    """The folds of an arm of that kind, as far as they fit the budget."""
    known = _settled.recall(request, kind.name, Design.from_json)
    if known is None and design.freeze != "none" and request.budget.left < float("inf"):
        names = ["pass", "behind the cut", "left for views"]
        once, behind, left = _settled.once(
            request, names, lambda: [*_arm.seconds_of_passes(request, design.cut), request.budget.left]
        )
        if once > left:
            return _arm.cut_off(request, kind.name, once - left)
        design = replace(design, views=_affordable(request, design.views, once, left))
        lacking = _lacking(request, kind, design, once, behind, left)
        if lacking > 0:
            return _arm.cut_off(request, kind.name, lacking)
    # epochs that are asked for are trained, all of them; and with all layers an average wins nothing
    if design.freeze != "none" and request.settings.epochs is None:
        design = replace(design, share=modalities.get(request.dataset.modality).TUNING.share)
    return _arm.fit(request, kind, lambda: design, tuned=at_own_cut)


def _lacking(request: Request, kind: Kind, design: Design, once: float, behind: float, left: float) -> float:
    """Seconds that the passes and the smallest training lack at least; 0 where they may fit.

    A step is more than `BACKWARD` forward passes of its rows: what cannot fit so need not be stored first.
    """
    stored, spec = request.features, _design.states_at(request, design, probe=True)
    share = stored.missing(request.network, spec) if isinstance(stored, StoredFeatures) else 1.0
    left -= share * (1 + design.views) * once
    per_epoch = max(1, round(_design.training_rows(request) / design.batch_size))
    pace = Pace(BACKWARD * behind * design.batch_size / len(request.dataset), per_epoch)
    epochs = _arm.epochs_of(request, kind, design.batch_size)
    plans = _ladder.options(epochs, _arm.first_folds(request), warm=True)
    plan = _arm.fitting(request, pace, left, epochs, plans)
    return plan if isinstance(plan, float) else 0.0


def _affordable(request: Request, views: int, once: float, left: float) -> int:
    """As many views as can be made in a share of the time; what a user asked for is left alone."""
    if request.settings.views is not None:
        return views
    ladder = [v for v in (views, 2, 1) if v <= views]
    return next((v for v in ladder if (1 + v) * once <= PASS_SHARE * left), 0)


# designs


def recipe(request: Request, *, layer_decay: float) -> Recipe:
    """Learning rates by the kind of network, unless set by hand; the length comes later.

    Networks with BatchNorm are convolutional: SGD with momentum. Others are transformers or their
    like: AdamW.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    settings = request.settings
    convolutional = any(isinstance(part, _BatchNorm) for part in request.network.module.modules())
    optimizer = settings.optimizer or ("sgd" if convolutional else "adamw")
    numbers = modalities.get(request.dataset.modality).TUNING
    return Recipe(
        steps=1,
        lr=settings.lr or (3e-3 if optimizer == "sgd" else numbers.lr),
        optimizer=optimizer,
        head_lr=settings.head_lr,
        weight_decay=1e-4 if optimizer == "sgd" else numbers.weight_decay,
        smoothing=numbers.smoothing,
        layer_decay=layer_decay,
        layer_rates=settings.layer_rates or "",
        statistics_from=STATISTICS_FROM,
        seed=request.seed,
    )


def design_whole(request: Request) -> Design:
    """All layers, from the pixels or tokens."""
    modality = request.dataset.modality
    _design.check(request.settings, modality)
    rows, contract = _design.training_rows(request), request.network.source.input
    return Design(
        cut=request.network.cuts[0],
        freeze="none",
        recipe=recipe(request, layer_decay=modalities.get(modality).TUNING.layer_decay),
        batch_size=_design.batch_size(request.settings, rows),
        epochs=0,
        augment=request.settings.augment or modalities.get(modality).DEFAULT_VIEW,
        side=None if contract.size is None else max(contract.size),
        length=length_of(request),
    )


def design_cut(request: Request) -> Design:
    """From the cut that was set by hand, or the default one."""
    design = design_whole(request)
    backbone, settings = request.network, request.settings
    automatic = settings.freeze == _design.AUTO
    if automatic:
        freeze, cut = automatic_cut(request, request.split.development)
    elif settings.freeze is not None:
        freeze, cut = _design.frozen_stage(backbone, settings.freeze)
    else:
        freeze, cut = default_cut(request)
    if freeze == "none":
        return design
    views = _design.views(settings, len(request.dataset), request.dataset.modality)
    return replace(
        design,
        cut=cut,
        freeze=freeze,
        views=views,
        side=None,
        length=length_of(request, cut),
        automatic=automatic,
    )


def automatic_cut(request: Request, rows: np.ndarray) -> tuple[str, str]:
    """(stage, cut): behind the stage of which a tap has the least leave-one-out error on these rows.

    What comes after it is the source's own. Behind the last but one where that is the last, and later where
    the states would not fit on the disk.
    """
    taps = tuple(dict.fromkeys((*request.network.taps(), request.network.embedding)))
    features = request.features(request.network, FeatureSpec(taps=taps))  # the probe's
    some = rows[:: -(-len(rows) // _taps.SELECTION_ROWS)]
    read = {str(tap): silenced(np.asarray(features.tap(tap)[some], np.float32)) for tap in taps}
    blocks = _taps.Blocks.of(read, some)
    errors = _taps.profile(blocks, ridge_targets(request, some), group_numbers(request, some))
    best = Tap.parse(min(errors, key=lambda name: errors[name].mse)).stage
    before = [stage.name for stage in request.network.stages[:-1]]
    return _that_fits(request, before.index(best) if best in before else max(0, len(before) - 1))


def at_own_cut(arm: Arm, rows: np.ndarray) -> Arm:
    """The arm at the cut that these rows choose, where every fold has its own; else as it is."""
    if not arm.design.automatic:
        return arm
    freeze, cut = automatic_cut(arm.request, rows)
    if cut == arm.design.cut:
        return arm
    design = replace(arm.design, freeze=freeze, cut=cut, length=length_of(arm.request, cut))
    return _arm.open_arm(arm.request, design, arm.kind)


def default_cut(request: Request) -> tuple[str, str]:
    """(stage, cut): the last layers are trained, by their share of the parameters.

    Labels play no part: they are what the arm is scored on. The states must fit on the disk.
    """
    backbone = request.network
    stages, last = backbone.stages, len(backbone.stages) - 1
    whole = sum(p.numel() for p in backbone.module.parameters())

    def trained(number: int) -> float:
        return sum(p.numel() for p in backbone.tail(stages[number].cut).parameters()) / max(1, whole)

    rows = _design.training_rows(request)
    share = next(share for most, share in TAIL_SHARES if rows <= most)
    return _that_fits(request, next((i for i in range(last - 1, 0, -1) if trained(i) >= share), 0))


def _that_fits(request: Request, start: int) -> tuple[str, str]:
    """(stage, cut) of that number, or of the first later one whose states fit on the disk."""
    backbone = request.network
    stages, last = backbone.stages, len(backbone.stages) - 1
    copies = 1 + _design.views(request.settings, len(request.dataset), request.dataset.modality)
    contract = backbone.source.input
    for number in range(start, last):
        stage = stages[number]
        length = length_of(request, stage.cut)
        if length is None:
            values = stage.channels * stage.side**2
        else:
            values = (stage.channels + 1) * length * (2 if contract.apart else 1)
        if 2 * values * len(request.dataset) * copies <= STATE_BYTES:
            return stage.name, stage.cut
    return stages[last - 1].name, stages[last - 1].cut
