"""Where to train, and in which precision: Accelerate's choice, made once and quietly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized


def accelerator(*, full: bool = False) -> Accelerator:
    """bfloat16 where a GPU computes with it, unless float32 is asked for in `full`; float32 elsewhere: what a
    processor does is decided in `headstart.train.choice`.

    Accelerate keeps one state a process: whoever set it first, we follow.
    """
    if is_initialized():
        return Accelerator(mixed_precision=AcceleratorState().mixed_precision)
    fast = not full and torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return Accelerator(mixed_precision="bf16" if fast else "no")


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Torch's generators start from `seed` inside and are put back afterwards; no autotuned kernels."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with (
        torch.random.fork_rng(devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        yield
