"""Learning curves: how the error falls with the number of labels, and how many labels something saves.

A power law `err(n) = a n^-b + c` is fitted to measured points, its band by a parametric bootstrap. What it
says is bounded: no further than 8 times the largest measured n, and nothing at all from a handful of errors.
How many labels are saved is read from the measured points alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import numpy as np

FARTHEST = 8.0
"""Times the largest measured n beyond which a fitted curve says nothing."""
FEWEST_SIZES = 3
FEWEST_ERRORS = 20
"""So many sizes must have so many errors each, else there is nothing to fit a curve to."""
RESAMPLES = 300
BAND = (0.05, 0.95)
"""Quantiles of the band."""

_EXPONENTS = np.geomspace(0.05, 3.0, 60)
_FLOORS = np.linspace(0.0, 1.0, 41)
"""Grid of b, and of c as a share of the least error."""
_CELLS = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A value with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerLaw:
    """`err(n) = a (n / unit)^-b + c`, with a >= 0, b > 0 and 0 <= c <= the least error it was fitted to."""

    a: float
    b: float
    c: float
    unit: float
    """The largest n it was fitted to: a + c is the error there."""

    def __call__(self, n: float) -> float:
        return self.a * (n / self.unit) ** -self.b + self.c


@dataclass(frozen=True)
class Curve:
    """A fitted learning curve of an error, with the laws fitted to its resamples."""

    law: PowerLaw
    resampled: np.ndarray = field(repr=False)
    """float64 `[B, 3]`: a, b, c of each resample."""

    def __post_init__(self) -> None:
        if self.resampled.ndim != 2 or self.resampled.shape[1] != 3:
            raise ValueError(f"resampled laws are {self.resampled.shape}, expected [B, 3]")

    @property
    def farthest(self) -> float:
        """The largest n that it may be asked about."""
        return FARTHEST * self.law.unit

    def at(self, n: float) -> Estimate:
        """The error at n with its 5-95 % band. Raises `ValueError` beyond `farthest`."""
        return _estimate(self.law(self._allowed(n)), self._laws(n))

    def gain(self, n: float, more: float) -> Estimate:
        """How much the error falls from n to `more` labels (positive: it falls), with its 5-95 % band.

        Raises `ValueError` beyond `farthest`.
        """
        value = self.law(self._allowed(n)) - self.law(self._allowed(more))
        return _estimate(value, self._laws(n) - self._laws(more))

    def _allowed(self, n: float) -> float:
        if not 0 < n <= self.farthest * (1 + 1e-9):
            raise ValueError(f"n = {n} is outside 0 to {self.farthest}: the curve says nothing there")
        return n

    def _laws(self, n: float) -> np.ndarray:
        a, b, c = self.resampled.T
        values: np.ndarray = a * (n / self.law.unit) ** -b + c
        return values


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    low, high = np.quantile(resampled, BAND)
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def fit_power_law(sizes: np.ndarray, errors: np.ndarray, sd: np.ndarray) -> PowerLaw:
    """Weighted least squares on a grid of (b, c), a in closed form.

    `sizes`, `errors` and their standard errors `sd` are float64 `[S]`. Raises `ValueError` for sizes that
    are not positive, or errors that are negative or not finite.
    """
    n, found = _checked(sizes, errors)
    (a, b, c), *_ = _laws(n / n.max(), found[None], _weights(sd, found))
    return PowerLaw(float(a), float(b), float(c), float(n.max()))


def fit_curve(
    sizes: np.ndarray, errors: np.ndarray, covariance: np.ndarray, *, counts: np.ndarray, seed: int = 0
) -> Curve | str:
    """The curve through measured errors, or why there is none, in words.

    `errors` float64 `[S]` at `sizes` labels, `covariance` `[S, S]` of the errors (points measured on the
    same items move together), `counts` `[S]`: how many single errors were seen at each size.

    The band comes from laws fitted to normal draws about the fitted law. Raises `ValueError` as
    `fit_power_law` does.
    """
    enough = int((np.asarray(counts) >= FEWEST_ERRORS).sum())
    if len(np.asarray(sizes)) < FEWEST_SIZES:
        return f"it takes {FEWEST_SIZES} sizes to fit a curve, and there are {len(np.asarray(sizes))}"
    if enough < FEWEST_SIZES:
        return (
            f"it takes {FEWEST_ERRORS} errors at each of {FEWEST_SIZES} sizes to fit a curve, "
            f"and only {enough} of {len(np.asarray(sizes))} sizes have so many"
        )
    n, found = _checked(sizes, errors)
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    law = fit_power_law(n, found, sd)
    fitted = np.array([law(size) for size in n])
    draws = np.maximum(normal_draws(fitted, covariance, RESAMPLES, seed=seed), 0.0)
    return Curve(law, _laws(n / n.max(), draws, _weights(sd, found)))


def normal_draws(mean: np.ndarray, covariance: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """float64 `[count, S]`: draws of the normal distribution; a covariance that is singular will do."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws: np.ndarray = mean + np.random.default_rng(seed).standard_normal((count, len(mean))) @ root.T
    return draws


def _checked(sizes: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, found = np.asarray(sizes, np.float64), np.asarray(errors, np.float64)
    if n.shape != found.shape or n.ndim != 1 or not len(n):
        raise ValueError(f"sizes {n.shape} and errors {found.shape} do not belong together")
    if not (n > 0).all() or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError("sizes must be positive, errors finite and not negative")
    return n, found


def _weights(sd: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Inverse variances; a point that seems exact counts no more than ten times a typical one."""
    known = np.asarray(sd, np.float64)
    typical = float(np.median(known)) or float(errors.max()) or 1.0
    weights: np.ndarray = 1.0 / np.maximum(known, 0.3 * typical) ** 2
    return weights / weights.max()


def _laws(n: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 `[B, 3]`: a, b, c of the best law for each row of errors `[B, S]`; the largest `n` is 1."""
    powers = n[None, :] ** -_EXPONENTS[:, None]  # [E, S]
    square = (powers**2) @ weights  # [E]
    step = max(1, _CELLS // (len(_EXPONENTS) * len(_FLOORS) * len(n)))
    out = np.empty((len(errors), 3))
    for start in range(0, len(errors), step):
        some = errors[start : start + step]
        floors = some.min(axis=1)[:, None] * _FLOORS  # [b, F]
        above = some[:, None, :] - floors[:, :, None]  # [b, F, S]
        a = (above * weights) @ powers.T / square  # [b, F, E]
        # sum of w (above - a x)^2, a being the least-squares one
        loss = ((above**2) @ weights)[:, :, None] - a**2 * square
        best = loss.reshape(len(some), -1).argmin(axis=1)
        floor, exponent = np.unravel_index(best, loss.shape[1:])
        rows = np.arange(len(some))
        out[start : start + step] = np.column_stack(
            [a[rows, floor, exponent], _EXPONENTS[exponent], floors[rows, floor]]
        )
    return out


@dataclass(frozen=True)
class Saved:
    """Labels that were not needed: with `labels` of them the error is what others reach with `their_n`."""

    labels: float
    ratio: float
    low: float
    high: float
    """95 % interval of the ratio. 0 below: in some resamples that error is never reached."""
    at_least: bool
    """The fewest labels measured are enough already, so that the ratio may be larger."""


def labels_saved(
    sizes: np.ndarray,
    errors: np.ndarray,
    theirs: float,
    their_n: float,
    *,
    draws: np.ndarray,
) -> Saved | None:
    """How many labels the measured curve needs for the error `theirs`, that others made with `their_n`.

    `errors` float64 `[S]` at increasing `sizes`; `draws` `[B, S + 1]` are resamples of the errors and, in
    the last column, of `theirs`. Between measured points the error is taken to fall evenly in log n,
    and never to rise. None when the error is not reached within the measured points: nothing is
    claimed from what lies beyond.
    """
    n = np.asarray(sizes, np.float64)
    needed = _reached(n, np.asarray(errors, np.float64), theirs)
    if needed == inf:
        return None
    again = [_reached(n, row[:-1], row[-1]) for row in draws]
    low, high = np.quantile([their_n / value for value in again], [0.025, 0.975])
    ratio = their_n / needed
    return Saved(
        needed, ratio, min(ratio, float(low)), max(ratio, float(high)), at_least=needed <= float(n[0])
    )


def _reached(n: np.ndarray, errors: np.ndarray, goal: float) -> float:
    """The smallest n at which the falling curve through the points reaches the goal; infinite if none."""
    from scipy.optimize import isotonic_regression

    falling = isotonic_regression(errors, increasing=False).x
    enough = np.flatnonzero(falling <= goal)
    if not len(enough):
        return inf
    k = int(enough[0])
    if k == 0 or falling[k - 1] == falling[k]:
        return float(n[k])
    share = (falling[k - 1] - goal) / (falling[k - 1] - falling[k])
    return float(np.exp(np.log(n[k - 1]) + share * (np.log(n[k]) - np.log(n[k - 1]))))
