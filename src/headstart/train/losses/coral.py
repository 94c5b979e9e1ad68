"""Correlation alignment (Sun and Saenko, "Deep CORAL", ECCV Workshops 2016)."""

from __future__ import annotations

from torch import Tensor


def covariance(x: Tensor) -> Tensor:
    """`[D, D]` of rows `[n, D]`, with n - 1 in the denominator."""
    centred = x - x.mean(0)
    return centred.T @ centred / max(1, len(x) - 1)


def coral(source: Tensor, target: Tensor) -> Tensor:
    """Scalar: squared Frobenius distance of the two covariances over `4 D^2`, from `[n, D]` and `[m, D]`."""
    apart = covariance(source) - covariance(target)
    return (apart**2).sum() / (4 * apart.shape[0] ** 2)
