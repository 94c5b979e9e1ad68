"""What trainings read: stored pixels, tokens, or states at a cut, and how a batch becomes an input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from headstart import modalities
from headstart.core import fingerprint
from headstart.core.backbone import Backbone, Tap, embedding_tap
from headstart.core.features import FeatureSpec, Rows
from headstart.core.strategy import Request
from headstart.strategies._design import Design
from headstart.train.augment import Augment, centre
from headstart.train.batches import Vary
from headstart.train.trim import Trim, trimmed

STEP = 8
"""Stored sequences are padded to a multiple of so many tokens."""


@dataclass(frozen=True)
class Inputs:
    """What the trainings of an arm read from disk."""

    views: tuple[Rows, ...]
    embedding: Rows | None
    """The stored embedding, from which the head's first weights are fitted; None: at random."""
    size: tuple[int, int] | None
    """Input size in pixels; None for states at a cut, and for sequences."""
    forward_passes: float = 0.0
    sequences: bool = False

    def unvaried(self, inputs: Tensor) -> Tensor:
        """Stored rows as the network reads them, for evaluation."""
        if self.sequences:
            return trimmed(inputs)
        return inputs if self.size is None else centre(inputs, self.size)

    def varied(self, kind: str, seed: int) -> Vary | None:
        """What stored rows go through in training."""
        if self.sequences:
            return Trim()
        return Augment(kind, self.size, seed) if self.size is not None else None


def load_inputs(request: Request, design: Design, *, probe: bool) -> Inputs:
    """Have the pass store what the design needs, and open it."""
    backbone = request.backbone
    assert backbone is not None
    taps: tuple[Tap, ...] = (embedding_tap(backbone),) if probe else ()
    contract, size = backbone.source.input, None
    if design.cut != backbone.cuts[0]:
        spec = FeatureSpec(taps, design.cut, design.length, views=design.views, view_kind=design.augment)
        features = request.features(backbone, spec)
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
    return Inputs(views, embedding, size, features.forward_passes, contract.max_length is not None)


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
    backbone = request.backbone
    assert backbone is not None
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
