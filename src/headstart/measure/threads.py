"""How many threads linear algebra may use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

SMALL = 2_000
"""Rows below which matrix work is too small to share: threads then wait for each other longer than
they compute. Measured on fifty probes of 100 items: 6 s of processor time with one thread, 61 s with
two on a machine that was busy."""


@contextlib.contextmanager
def suited_to(rows: int) -> Iterator[None]:
    """Inside, BLAS uses one thread for problems of few rows and its usual number for larger ones."""
    if rows >= SMALL:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
