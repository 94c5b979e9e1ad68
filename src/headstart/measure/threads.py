"""How many threads linear algebra may use."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

SMALL = 2_000
"""Rows below which matrix work is too small to share: threads then wait for each other longer than
they compute. Measured on fifty probes of 100 items: 6 s of processor time with one thread, 61 s with
two on a machine that was busy."""
CARRIERS = ("numpy", "scipy.linalg", "sklearn", "torch")
"""What brings a BLAS of its own."""


@contextlib.contextmanager
def suited_to(rows: int, *, small: int = SMALL, api: str = "blas") -> Iterator[None]:
    """Inside, BLAS (or "openmp") uses one thread for problems of fewer rows than `small` and its usual number
    for larger ones."""
    if rows >= small:
        yield
        return
    with _pools(tuple(name in sys.modules for name in CARRIERS)).limit(limits=1, user_api=api):
        yield


@cache
def _pools(carriers: tuple[bool, ...]) -> Any:  # noqa: ARG001 - looked for again when another is imported
    """The libraries that have threads. To find them takes longer than a small fit."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
