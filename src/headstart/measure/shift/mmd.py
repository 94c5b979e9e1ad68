"""The kernel two-sample test (Gretton et al., "A kernel two-sample test", JMLR 2012)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.measure import threads
from headstart.measure.spectral import whitened

MOST = 1_000
"""Rows of each domain that are looked at."""
PERMUTATIONS = 500


@dataclass(frozen=True)
class Mmd:
    """How far apart two samples lie in the space of a Gaussian kernel."""

    value: float
    """Unbiased estimate of the squared maximum mean discrepancy; below 0 by chance alone."""
    p_value: float
    """Share of random divisions of the same rows that lie as far apart, the found one counted."""
    width: float
    """The kernel's: the median distance between rows."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def mmd(
    xs: np.ndarray,
    xt: np.ndarray,
    seed: int = 0,
    *,
    groups_s: np.ndarray | None = None,
    groups_t: np.ndarray | None = None,
) -> Mmd:
    """The test on z-scored principal components of `xs` `[S, D]` and `xt` `[T, D]`, at most `MOST` rows of
    each and one of each group (int `[S]`, `[T]`). With many rows it finds differences too small to matter:
    read the AUC for their size. Raises `ValueError` with fewer than two rows in a domain.
    """
    rng = np.random.default_rng(seed)
    drawn = [_drawn(len(x), g, rng) for x, g in ((xs, groups_s), (xt, groups_t))]
    n, m = map(len, drawn)
    if min(n, m) < 2:
        raise ValueError(f"{n} independent rows of the source and {m} of the target; 2 of each are needed")
    with threads.suited_to(n + m):
        rows = whitened(np.concatenate([xs[drawn[0]], xt[drawn[1]]]))
        kernel, width = gaussian(rows)
        first = np.zeros((n + m, PERMUTATIONS + 1))
        first[:n, 0] = 1
        for column in range(1, PERMUTATIONS + 1):
            first[rng.permutation(n + m)[:n], column] = 1
        values = unbiased(kernel, first)
    at_least = int((values[1:] >= values[0] - 1e-12).sum())
    return Mmd(float(values[0]), (at_least + 1) / (PERMUTATIONS + 1), width)


def _drawn(n: int, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    order = rng.permutation(n)
    if groups is not None:
        order = order[np.sort(np.unique(np.asarray(groups)[order], return_index=True)[1])]
    return order[:MOST]


def gaussian(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """(kernel float64 `[N, N]` with zeros on its diagonal, its width: the median distance of two rows)."""
    size = np.einsum("nd,nd->n", rows, rows)
    squared = np.maximum(size[:, None] + size - 2 * rows @ rows.T, 0.0)
    median = float(np.median(squared[np.triu_indices(len(rows), 1)]))
    kernel = np.exp(-squared / (2 * median)) if median else np.equal(squared, 0.0).astype(np.float64)
    np.fill_diagonal(kernel, 0.0)
    return kernel, float(np.sqrt(median))


def unbiased(kernel: np.ndarray, first: np.ndarray) -> np.ndarray:
    """float64 `[B]`: the estimate for divisions `[N, B]` of 0 and 1 (of the first sample), all of one size,
    from a kernel `[N, N]` with zeros on its diagonal."""
    n = first[:, 0].sum()
    m = len(first) - n
    reached = kernel @ first
    within = np.einsum("nb,nb->b", reached, first)
    across = reached.sum(axis=0) - within
    other = kernel.sum() - within - 2 * across
    return np.asarray(within / (n * (n - 1)) + other / (m * (m - 1)) - 2 * across / (n * m))
