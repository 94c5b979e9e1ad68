"""A backbone and a small head that says of every step of a recording which character is heard, if any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart import sources
from headstart.core.task import Task
from headstart.errors import UnknownName
from headstart.measure.texts.paths import BLANK, collapsed
from headstart.nets.base import Net, Parts, Recipe

HIDDEN = 128
SPAN = 5
"""Steps that are looked at together: 100 ms of Whisper and wav2vec 2.0."""
SURE = -1e4
"""The logarithm of what cannot be; half precision still holds it."""


class Head(nn.Module):
    """Steps `[B, T, D]` and their mask -> log-probabilities `[B, T, K]`, which are sure of the blank where it
    hides them."""

    mean: Tensor
    sd: Tensor

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("sd", torch.ones(width))
        self.mix = nn.Conv1d(width, HIDDEN, SPAN, padding=SPAN // 2)
        self.out = nn.Linear(HIDDEN, outputs)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        x = (values.float() - self.mean) / self.sd * mask[..., None]
        hidden = functional.gelu(self.mix(x.transpose(1, 2))).transpose(1, 2)  # [B, T, HIDDEN]
        found: Tensor = self.out(hidden).log_softmax(-1)
        blank = torch.arange(found.shape[-1], device=found.device) == BLANK
        return torch.where(mask[..., None], found, torch.where(blank, 0.0, SURE))


class Heard(Net):
    """`forward` gives log-probabilities float32 `[B, T, K]`, `text` the characters they say."""

    def __init__(self, task: Task, parts: Parts, backbone: Any, stage: str, alphabet: list[str]) -> None:
        super().__init__(task, parts)
        self.trunk, self._backbone, self._alphabet = backbone.module, backbone, alphabet
        cuts = {one.name: one for one in backbone.stages}
        if stage not in cuts:
            raise UnknownName("stage", stage, list(cuts))
        self._stage = cuts[stage]
        self.head = Head(self._stage.channels, len(alphabet) + 1)
        shapes = {name: tuple(tensor.shape) for name, tensor in self.head.state_dict().items()}
        self.head.load_state_dict({name: parts.take(f"head.{name}", shape) for name, shape in shapes.items()})

    def raw(self, prepared: Tensor) -> Tensor:
        cut = self._stage.cut
        state = self._backbone.states(self._backbone.normalise(prepared), (cut,))[cut]
        steps = self._backbone.dense(state, self._stage.name)
        found: Tensor = self.head(steps.values, steps.mask)
        return found

    def forward(self, prepared: Tensor) -> Tensor:
        return self.raw(prepared).float()

    def text(self, row: np.ndarray, texts: Sequence[str] = ()) -> str:  # noqa: ARG002
        return said(row, self._alphabet)


def said(row: np.ndarray, alphabet: list[str]) -> str:
    """What log-probabilities `[T, K]` say: of each step the likeliest, with single spaces."""
    best = row.argmax(axis=1).tolist()
    return " ".join("".join(alphabet[one - 1] for one in collapsed(best)).split())


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("architecture", "stage", "alphabet")
    alphabet = recipe.field("alphabet", list)
    if not alphabet or not all(isinstance(one, str) and len(one) == 1 for one in alphabet):
        raise recipe.error("has an alphabet that is not made of characters")
    tensors = recipe.parts.under("trunk")
    backbone = sources.from_state(recipe.field("architecture", dict), recipe.input, tensors)
    return Heard(recipe.task, recipe.parts, backbone, recipe.field("stage", str), alphabet)
