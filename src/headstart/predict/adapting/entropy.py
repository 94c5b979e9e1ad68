"""Entropy minimisation over the scale and shift of norm layers, of reliable items only, with a guard.

TENT (Wang et al., ICLR 2021) trains them towards certainty; EATA (Niu et al., ICML 2022) leaves out items of
high entropy and those that say what the others say, and weighs the rest; SAR (Niu et al., ICLR 2023) ends it
when entropy vanishes. More of it is worse: it ends with one class for everything. So the guard keeps the
network of the epoch whose answers are the most certain and diverse at once, the untouched one among them, and
stops when that falls.
Known differences: statistics of BatchNorm are mixed once (`batchnorm`) and then kept, redundancy is measured
on a scale that fits any number of classes, and there is no Fisher penalty and no sharpness-aware step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core import words
from headstart.nets.base import Net
from headstart.predict.adapting import batchnorm
from headstart.predict.adapting.base import Done, Guard, Job

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
MARGIN = 0.4
"""Of the largest entropy there is: items above it are not learnt from."""
REDUNDANT = 1.26
"""Times `1 / sqrt(K)`, the cosine of one class and all of them: 0.4 with ten, 0.04 with a thousand."""
MEMORY = 0.9
"""Of the moving averages of answers and entropies."""
VANISHED = 0.03
"""Of the largest entropy there is (0.2 nats with a thousand classes): below it SAR stops."""
EPOCHS = 5
RATE = 2.5e-4

Weigh = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]


def entropy(logits: Tensor) -> Tensor:
    """Logits `[B, K]` -> nats `[B]`."""
    z = logits.log_softmax(1)
    return -(z.exp() * z).sum(1)


def weights(p: Tensor, spread: Tensor, usual: Tensor | None) -> Tensor:
    """How much each of `[B, K]`, of entropies `spread` `[B]`, counts, `[B]`: 0 where it is not sure (above
    E0 = 0.4 ln K), or says what is `usual` `[K]`; else `exp(E0 - spread)`."""
    outputs = p.shape[1]
    threshold = MARGIN * math.log(outputs)
    kept = spread < threshold
    if usual is not None:
        kept &= nn.functional.cosine_similarity(p, usual[None]) < REDUNDANT / math.sqrt(outputs)
    return torch.where(kept, (threshold - spread).exp(), torch.zeros_like(spread))


def lacking(net: Net) -> str:
    """See `headstart.predict.adapting.base.Method`."""
    return "" if affine(net) else "this model has no norm layers, whose scale and shift are what it trains"


def affine(net: nn.Module) -> list[nn.Parameter]:
    """Scale and shift of every norm layer."""
    layers = (module for module in net.modules() if isinstance(module, NORMS))
    return [parameter for layer in layers for parameter in layer.parameters(recurse=False)]


@dataclass
class Usual:
    """Moving averages over steps: of the answers that were learnt from, and of their entropy."""

    answer: Tensor | None = None
    spread: float | None = None

    def add(self, p: Tensor, spread: Tensor) -> None:
        """Probabilities `[B, K]` and entropies `[B]` of a step."""
        answer, mean = p.mean(0), float(spread.mean())
        self.answer = answer if self.answer is None else MEMORY * self.answer + (1 - MEMORY) * answer
        self.spread = mean if self.spread is None else MEMORY * self.spread + (1 - MEMORY) * mean

    def vanished(self, outputs: int) -> str:
        """Why to stop where there is hardly any entropy left; else empty."""
        gone = self.spread is not None and self.spread < VANISHED * math.log(outputs)
        return "entropy has vanished" if gone else ""


def epoch(
    net: Net,
    batches: Iterable[Tensor],
    optimizer: torch.optim.Optimizer,
    usual: Usual,
    weigh: Weigh = weights,
) -> None:
    """A step a batch on its reliable items."""
    for batch in batches:
        z = net.logits(batch).float()
        p, spread = z.detach().softmax(1), entropy(z)
        weight = weigh(p, spread.detach(), usual.answer)
        used = weight > 0
        if used.any():
            optimizer.zero_grad()
            (weight[used] * spread[used]).mean().backward()
            optimizer.step()
            usual.add(p[used], spread.detach()[used])


def apply(
    job: Job, before: np.ndarray, epochs: int = EPOCHS, rate: float = RATE, weigh: Weigh = weights
) -> Done:
    """At most so many passes with gradients, each with one without for the guard."""
    told = ""
    if batchnorm.layers_of(job.net):
        first = batchnorm.apply(job, before)
        before, told = first.after, f"{first.sentence}; "
    chosen = affine(job.net)
    for parameter in chosen:
        parameter.requires_grad_(True)
    optimizer, usual, guard = torch.optim.Adam(chosen, lr=rate), Usual(), Guard(chosen, before, job.due)
    stopped = ""
    for _ in range(epochs):
        epoch(job.net, job.batches, optimizer, usual, weigh)
        if stopped := guard.against(job.predictions()) or usual.vanished(job.task.outputs):
            break
    guard.restore()
    for parameter in chosen:
        parameter.requires_grad_(False)
    told += f"scale and shift of norm layers trained for {words.count(guard.steps, 'epoch')}"
    return Done(guard.answers, told, guard.steps, stopped)
