"""Which engine a training uses: found by a trial of a few steps, and kept for this machine.

An engine is taken when the gradients of a step cost fewer processor seconds with it, and when it agrees with
the network as it is: a cosine of `SURE` or more between the first gradients of each group of parameters, and
the same loss but for `CLOSE`. What was found is kept beside the feature store for the network, what of it is
trained, the batch and this machine; and in the design of the arm, so that what goes on computes as before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from headstart.core import environment, fingerprint
from headstart.train.average import copy_state
from headstart.train.device import reproducible
from headstart.train.engines import EAGER, ENGINES, Gradients, Loss, divided, laid_out, whole

SURE, CLOSE = 0.99, 0.01
"""Least cosine between gradients, largest relative difference of losses."""
GAIN = 1.15
"""So many times as fast as the network as it is must an engine be: less is noise."""
ROUNDS = 4
"""Steps of each engine in a trial, in turns; the first one warms up."""
WORTH, FROM_STEPS = 20.0, 100
"""Processor seconds and steps of a training from which on a trial pays."""
PART = 0.1
"""Share of the time left that a trial may take."""
COST = 3
"""Steps of the network as it is that a round of all engines takes, roughly."""
LEAST = 8
"""Items of a part of a batch: fewer leave a core waiting for weights."""


@dataclass(frozen=True)
class Choice:
    """The engine of a training, and why."""

    engine: str = EAGER
    parts: int = 1
    """Into which a batch is divided, a thread for each; 1: every operation has all threads."""
    gain: float | None = None
    """How many times as fast as the network as it is the quickest was; None: nothing was tried."""
    agreement: float | None = None
    """The lowest cosine between gradients of a group of parameters."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Engine -> why not."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "precision": ENGINES[self.engine].precision}

    @classmethod
    def of(cls, kept: Any) -> Choice | None:
        """Back from `to_json`; None where it was kept by a version with other engines."""
        if not isinstance(kept, Mapping) or kept.get("engine") not in ENGINES:
            return None
        return cls(kept["engine"], int(kept["parts"]), kept["gain"], kept["agreement"], dict(kept["refused"]))

    def gradients(self, net: nn.Module, loss: Loss, backward: Any, stack: ExitStack) -> Gradients:
        """What computes a step, until the stack is closed."""
        engine = ENGINES[self.engine]
        stack.enter_context(laid_out(net, engine))
        if self.parts > 1:
            return stack.enter_context(divided(net, loss, engine, self.parts))
        return whole(net, loss, engine, backward)


def key(about: Mapping[str, Any]) -> str:
    """Under which a choice is kept: what is trained, this machine and what computes."""
    made = {
        "about": about,
        "machine": environment.machine(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    return "training:" + fingerprint.of_json(made)


def trial(
    net: nn.Module,
    groups: Sequence[Sequence[nn.Parameter]],
    loss: Loss,
    batch: tuple[Tensor, Tensor],
    *,
    steps: int,
    seconds: float = float("inf"),
    seed: int = 0,
) -> Choice | None:
    """The engine for a training of so many steps on batches like this one (inputs, targets), with so many
    seconds left; None where it is too short for a trial. The network is in train mode as it will be; its
    gradients and buffers are of no use afterwards.
    """
    if steps < FROM_STEPS:
        return None
    start, kept = time.monotonic(), copy_state(net)
    with reproducible(seed):
        drawn = torch.get_rng_state()

        def measured(choice: Choice) -> tuple[float, First]:
            torch.set_rng_state(drawn)
            return _measured(choice, net, groups, loss, batch)

        seconds_each, expected = measured(Choice())
        alone = torch.equal(drawn, torch.get_rng_state()) and _equal(kept, net.state_dict())
        if seconds_each * steps < WORTH or ROUNDS * COST * (time.monotonic() - start) > PART * seconds:
            return None
        parts = max(1, min(torch.get_num_threads(), len(batch[0]) // LEAST)) if alone else 1
        tried = [Choice()]
        refused: dict[str, str] = {}
        for name in (name for name, engine in ENGINES.items() if name != EAGER and engine.suits):
            try:
                found = measured(choice := Choice(name, parts))[1]
            except Exception as error:  # whatever a kernel raises that lacks this layout or precision
                refused[name] = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:120]}"
                continue
            problem, lowest = agreement(expected, found)
            if problem:
                refused[name] = problem
            else:
                tried.append(replace(choice, agreement=round(lowest, 5)))
        rounds = [[measured(choice)[0] for choice in tried] for _ in range(ROUNDS - 1)]
    least = [min(seconds) for seconds in zip(*rounds, strict=True)]  # of each engine
    best = min(range(len(tried)), key=least.__getitem__)
    gain = least[0] / max(least[best], 1e-9)
    return replace(tried[best if gain >= GAIN else 0], gain=round(gain, 2), refused=refused)


First = tuple[float, list[Tensor]]
"""The loss of a step, and the gradient of each group of parameters as a vector."""


def _measured(
    choice: Choice,
    net: nn.Module,
    groups: Sequence[Sequence[nn.Parameter]],
    loss: Loss,
    batch: tuple[Tensor, Tensor],
) -> tuple[float, First]:
    """(processor seconds of a step, what it gave)."""
    net.zero_grad()
    with ExitStack() as stack:
        gradients = choice.gradients(net, loss, Tensor.backward, stack)
        start = time.process_time()
        lost = gradients(*batch)
        seconds = time.process_time() - start
    return seconds, (lost, [_vector(group) for group in groups])


def _vector(group: Sequence[nn.Parameter]) -> Tensor:
    grads = [p.grad.detach().double().reshape(-1) for p in group if p.grad is not None]
    return torch.cat(grads) if grads else torch.zeros(0, dtype=torch.double)


def agreement(expected: First, found: First) -> tuple[str, float]:
    """(why an engine does not agree, or ""; the lowest cosine between gradients). Those that are all zero in
    both agree."""
    lowest = 1.0
    for a, b in zip(expected[1], found[1], strict=True):
        if a.shape != b.shape:
            return "it trains other parameters", 0.0
        lengths = a.norm() * b.norm()
        if lengths > 0 or a.norm() + b.norm() > 0:
            lowest = min(lowest, float(a @ b / lengths) if lengths > 0 else 0.0)
    if not lowest >= SURE:
        return f"its gradients agree only to a cosine of {lowest:.4f}", lowest
    if not abs(found[0] - expected[0]) <= CLOSE * abs(expected[0]):
        return f"its loss is {found[0]:.4g} instead of {expected[0]:.4g}", lowest
    return "", lowest


def _equal(kept: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(kept[name], now[name]) for name in kept)
