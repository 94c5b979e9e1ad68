"""What a picture teaches: its family, its class within the family, and what that class is like."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pretraining.stream import Batch


class Lesson:
    """Losses on one row of outputs: F families, F x C classes, F x T traits.

    One softmax over all classes would learn slowly: at first every class gets a thousandth of the
    gradient. Families and classes within the known family are asked for apart, and traits (numbers
    that describe the class: a palette, a frequency, where strokes begin and end) teach from the
    first step what classes have in common.
    """

    def __init__(self, traits: Tensor, weight: float) -> None:
        """`traits`: `[F, C, T]`, NaN where a family has fewer; `weight` of their loss."""
        self.known = ~traits[:, 0].isnan()  # [F, T]
        self.traits = traits.nan_to_num(0.0)
        self.weight = weight
        self.families, self.classes, self.wide = traits.shape

    @property
    def outputs(self) -> int:
        return self.families * (1 + self.classes + self.wide)

    def parts(self, answer: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`[B, outputs]` -> families `[B, F]`, classes `[B, F, C]`, traits `[B, F, T]`."""
        f, c, t = self.families, self.classes, self.wide
        family, rest, traits = answer.split([f, f * c, f * t], 1)
        return family, rest.view(-1, f, c), traits.view(-1, f, t)

    def classes_of(self, answer: Tensor) -> Tensor:
        """The most probable class of each row, numbered through all families: `[B]`."""
        family, classes, _ = self.parts(answer)
        chance = family.log_softmax(1)[..., None] + classes.log_softmax(2)  # [B, F, C]
        return chance.flatten(1).argmax(1)

    def loss(self, answer: Tensor, batch: Batch, smoothing: float) -> Tensor:
        """Mean loss; a cut-mixed picture counts for both of its classes by area."""
        one = self._of(answer, batch.classes, smoothing)
        if bool((batch.share == 1).all()):
            return one.mean()
        two = self._of(answer, batch.others, smoothing)
        return (batch.share * one + (1 - batch.share) * two).mean()

    def _of(self, answer: Tensor, classes: Tensor, smoothing: float) -> Tensor:
        """The loss of each row if it were of these classes: `[B]`."""
        family, code = classes // self.classes, classes % self.classes
        row = torch.arange(len(classes), device=classes.device)
        families, within, traits = self.parts(answer)
        options = {"reduction": "none", "label_smoothing": smoothing}
        named = F.cross_entropy(families, family, **options)
        named = named + F.cross_entropy(within[row, family], code, **options)
        known = self.known[family]
        missed = (traits[row, family] - self.traits[family, code]).square() * known
        return named + self.weight * missed.sum(1) / known.sum(1)
