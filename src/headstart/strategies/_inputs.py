"""What trainings read: stored pixels, tokens, or states at a cut, and how a batch becomes an input."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from headstart.core.backbone import Backbone, Tap, embedding_tap
from headstart.core.features import FeatureSpec, Rows
from headstart.core.source import InputContract, TextContract
from headstart.core.strategy import Request
from headstart.modalities import text
from headstart.strategies._design import Design
from headstart.train.augment import Augment, centre
from headstart.train.batches import Vary
from headstart.train.trim import Trim, trimmed

STEP = 8
"""Stored texts are padded to a multiple of so many tokens."""


@dataclass(frozen=True)
class Inputs:
    """What the trainings of an arm read from disk."""

    views: tuple[Rows, ...]
    embedding: Rows | None
    """The stored embedding, from which the head's first weights are fitted; None: at random."""
    size: tuple[int, int] | None
    """Input size in pixels; None for states at a cut, and for texts."""
    forward_passes: float = 0.0
    texts: bool = False

    def unvaried(self, inputs: Tensor) -> Tensor:
        """Stored rows as the network reads them, for evaluation."""
        if self.texts:
            return trimmed(inputs)
        return inputs if self.size is None else centre(inputs, self.size)

    def varied(self, kind: str, seed: int) -> Vary | None:
        """What stored rows go through in training."""
        if self.texts:
            return Trim()
        return Augment(kind, self.size, seed) if self.size is not None else None


def load_inputs(request: Request, design: Design, *, probe: bool) -> Inputs:
    """Have the pass store what the design needs, and open it."""
    backbone = request.backbone
    assert backbone is not None
    taps: tuple[Tap, ...] = (embedding_tap(backbone),) if probe else ()
    contract, size = backbone.source.input, None
    texts = isinstance(contract, TextContract)
    if design.cut != backbone.cuts[0]:
        spec = FeatureSpec(taps, design.cut, design.length, views=design.views, view_kind=design.augment)
        features = request.features(backbone, spec)
        views: tuple[Rows, ...] = tuple(features.state(view) for view in range(design.views + 1))
    elif isinstance(contract, InputContract):
        size = input_size(backbone, design)
        stored = round(max(size) / contract.crop_pct)
        features = request.features(backbone if probe else None, FeatureSpec(taps=taps, inputs=stored))
        views = (features.inputs(),)
    else:
        features = request.features(backbone, FeatureSpec(taps=taps, inputs=design.length))
        views = (features.inputs(),)
    embedding = features.tap(taps[0]) if probe else None
    return Inputs(views, embedding, size, features.forward_passes, texts)


def input_size(backbone: Backbone, design: Design) -> tuple[int, int]:
    """Height and width a design of images trains at, in pixels."""
    size = backbone.source.image_input.size
    return size if design.side is None or design.side == max(size) else (design.side, design.side)


_LENGTHS: dict[tuple[str | int, ...], int] = {}
"""Counted in this process, by content of data set and contract: the same whichever thread comes first."""


def length_of(request: Request) -> int | None:
    """Tokens that the longest text of the data set has for the source, rounded up; None for images."""
    assert request.backbone is not None
    contract = request.backbone.source.input
    if not isinstance(contract, TextContract):
        return None
    reads = (contract.digest, contract.max_length, contract.prefix, contract.pairs)
    key = (request.dataset.fingerprint, *reads)
    if key not in _LENGTHS:
        longest = text.longest(request.dataset.items, contract)
        _LENGTHS[key] = min(-(-longest // STEP) * STEP, contract.max_length)
    return _LENGTHS[key]
