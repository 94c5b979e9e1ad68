"""Engines: ways to compute the gradients of a step. Weights, optimiser and predictions are float32 with all.

None suits every network: with large maps bfloat16 is quickest with the channels last, behind a late cut,
where weights are many and maps small, without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]
"""(z `[B, K]`, targets) -> loss of each item `[B]`."""
EAGER = "eager"


def bfloat16_on_cpu() -> bool:
    """Whether the processor has instructions for bfloat16."""
    check: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return check is not None and bool(check())


def quick_on_cpu(enabled: bool) -> AbstractContextManager[Any]:
    """Products of matrices in bfloat16 where the processor has instructions for them, if `enabled`.

    A training step of a small transformer takes half of the time then; norms and weights stay float32.
    """
    if not (enabled and bfloat16_on_cpu()):
        return nullcontext()  # not `enabled=False`, which would end what an engine has begun around it
    return torch.autocast("cpu", torch.bfloat16)


@dataclass(frozen=True)
class Engine:
    """A way to compute z of a batch, and by that its gradients."""

    precision: str
    channels_last: bool = False
    half: bool = False
    """What torch deems safe is computed in bfloat16."""

    @property
    def suits(self) -> bool:
        """Whether this processor has instructions for it: without them bfloat16 is 4 to 15 times slower."""
        return not self.half or bfloat16_on_cpu()

    def z(self, net: nn.Module, inputs: Tensor) -> Tensor:
        """float32 `[B, K]`."""
        if self.channels_last and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if not self.half:
            return net(inputs).float()  # whatever precision surrounds this, Accelerate's on a GPU
        with torch.autocast("cpu", torch.bfloat16):
            return net(inputs).float()


ENGINES = {
    EAGER: Engine("float32"),
    "bfloat16": Engine("bfloat16", half=True),
    "bfloat16-channels-last": Engine("bfloat16, channels last", channels_last=True, half=True),
    "channels-last": Engine("float32, channels last", channels_last=True),
}


@contextmanager
def laid_out(net: nn.Module, engine: Engine) -> Iterator[None]:
    """Inside, the weights of convolutions lie in memory as the engine reads them; values stay."""
    if not engine.channels_last:
        yield
        return
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        yield
    finally:
        net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


Gradients = Callable[[Tensor, Tensor], float]
"""(inputs, targets) of a batch -> its mean loss; its gradients are in `.grad`, unless that is not finite."""


def whole(net: nn.Module, loss: Loss, engine: Engine, backward: Callable[[Tensor], Any]) -> Gradients:
    """Each batch at once, each operation by all threads."""

    def gradients(inputs: Tensor, targets: Tensor) -> float:
        value = loss(engine.z(net, inputs), targets).mean()
        lost = value.item()  # waits for the device: once a step
        if math.isfinite(lost):
            backward(value)
        return lost

    return gradients


@contextmanager
def divided(net: nn.Module, loss: Loss, engine: Engine, parts: int) -> Iterator[Gradients]:
    """Each batch in so many parts at a time, each by a thread that has a core of its own.

    Threads that work on one operation wait for each other, in bfloat16 with all their strength: beside other
    work a step is several times slower so. The network must treat every item by itself. Parts are added in
    order, so that results depend on their number alone.
    """
    trained = [p for p in net.parameters() if p.requires_grad]
    threads = torch.get_num_threads()

    def part(inputs: Tensor, targets: Tensor, of: int) -> tuple[float, Sequence[Tensor | None]]:
        value = loss(engine.z(net, inputs), targets).sum() / of
        lost = value.item()
        found = torch.autograd.grad(value, trained, allow_unused=True) if math.isfinite(lost) else ()
        return lost, found

    def begin() -> None:
        torch.set_num_threads(max(1, threads // parts))  # the thread's own

    def gradients(inputs: Tensor, targets: Tensor) -> float:
        shares = list(zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True))
        waiting = [pool.submit(part, x, y, len(inputs)) for x, y in shares if len(x)]
        found = [share.result() for share in waiting]
        if all(grads for _, grads in found):
            for parameter, *grads in zip(trained, *(grads for _, grads in found), strict=True):
                there = [grad for grad in grads if grad is not None]
                for other in there[1:]:
                    there[0].add_(other)
                parameter.grad = there[0] if there else None
        return sum(lost for lost, _ in found)

    try:
        with ThreadPoolExecutor(parts, "part", initializer=begin) as pool:
            yield gradients
    finally:
        torch.set_num_threads(threads)  # what new threads begin with
