from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headstart.core.split import Fold
from headstart.measure import multilabel
from headstart.measure.intervals import Interval
from headstart.measure.paired import holm, mcnemar, paired_gain, smallest_visible, too_few


class Accuracy:
    def per_item(self, y, predictions):
        return (predictions.argmax(axis=1) == y).astype(np.float64)

    def resampled(self, y, predictions, weights):
        return weights @ (predictions.argmax(axis=1) == y) / weights.sum(axis=1)


class Recomputed(Accuracy):
    """The same metric, as if it had no shares."""

    def per_item(self, y, predictions):
        return None


class AveragePrecision:
    def per_item(self, y, predictions):
        return None

    def resampled(self, y, predictions, weights):
        return multilabel.resampled_map(y, predictions, weights)


class NegativeError:
    def per_item(self, y, predictions):
        return -np.abs(y - predictions[:, 0])

    def resampled(self, y, predictions, weights):
        return weights @ self.per_item(y, predictions) / weights.sum(axis=1)


def folds_of(n: int, repeats: int, parts: int = 5, seed: int = 0) -> list[Fold]:
    folds = []
    for repeat in range(repeats):
        place = np.random.default_rng([seed, repeat]).permutation(n) % parts
        folds += [Fold(repeat, np.flatnonzero(place != k), np.flatnonzero(place == k)) for k in range(parts)]
    return folds


def arm(y: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two-class predictions `[R, N, 2]` that are right where `right` `[R, N]` says so."""
    said = np.where(right, y, 1 - y)
    return np.stack([1.0 - said, said], axis=2).astype(np.float32)


def problem(n: int, repeats: int, *, seed: int, gain: float = 0.0, noise: float = 0.1):
    """Labels and two arms whose true accuracies are .7 and .7 + gain, correlated as in practice."""
    rng = np.random.default_rng(seed)
    y, ease = rng.integers(0, 2, n), rng.random(n)
    ours = ease + noise * rng.normal(size=(repeats, n)) < 0.7 + gain
    theirs = ease + noise * rng.normal(size=(repeats, n)) < 0.7
    return y, arm(y, ours), arm(y, theirs)


def test_identical_arms() -> None:
    y, ours, _ = problem(200, 3, seed=0)
    found = paired_gain(y, ours, ours, scoring=Accuracy(), folds=folds_of(200, 3))
    assert (found.gain, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    assert found.n == found.items == 200
    assert 0 < found.smallest_visible < 0.02


def test_gain_is_the_mean_over_items_and_antisymmetric() -> None:
    y, ours, theirs = problem(150, 3, seed=1, gain=0.1)
    found = paired_gain(y, ours, theirs, scoring=Accuracy(), folds=folds_of(150, 3))
    right = (ours.argmax(2) == y).mean() - (theirs.argmax(2) == y).mean()
    assert found.gain == pytest.approx(right)
    assert found.low < found.gain < found.high
    turned = paired_gain(y, theirs, ours, scoring=Accuracy(), folds=folds_of(150, 3))
    assert (turned.gain, turned.low, turned.high) == pytest.approx(
        (-found.gain, -found.high, -found.low), abs=1e-12
    )
    assert turned.p_value == found.p_value
    assert turned.method.startswith("paired ")
    assert found.sampled is not None
    assert found.trained is not None
    widest = max((found.sampled, found.trained), key=lambda interval: interval.width)
    assert (found.low, found.high) == (widest.low, widest.high)


def test_only_cells_of_both_arms_count() -> None:
    y, ours, theirs = problem(100, 3, seed=2, gain=0.2)
    ours[2] = np.nan  # a repeat and half of another were cut off
    ours[1, 50:] = np.nan
    found = paired_gain(y, ours, theirs[:2], scoring=Accuracy(), folds=folds_of(100, 3))
    per_item = (ours.argmax(2) == y).astype(float) - (theirs.argmax(2) == y)
    per_item[1, 50:] = np.nan
    assert found.gain == pytest.approx(np.nanmean(per_item[:2], axis=0).mean())
    assert found.items == 100
    shorter = paired_gain(y, ours[:1, :], theirs, scoring=Accuracy())
    assert shorter.method == "paired percentile bootstrap over items"
    ours[:] = np.nan
    with pytest.raises(ValueError, match="no held-out item in common"):
        paired_gain(y, ours, theirs, scoring=Accuracy())


def test_duplicates_in_a_group_do_not_sharpen_the_interval() -> None:
    y, ours, theirs = problem(120, 1, seed=3, gain=0.1)
    alone = paired_gain(y, ours, theirs, scoring=Accuracy())
    copies = np.repeat(np.arange(120), 4)
    grouped = paired_gain(y[copies], ours[:, copies], theirs[:, copies], scoring=Accuracy(), groups=copies)
    assert (grouped.gain, grouped.low, grouped.high) == pytest.approx((alone.gain, alone.low, alone.high))
    assert (grouped.n, grouped.items) == (120, 480)
    assert grouped.p_value == alone.p_value
    assert grouped.smallest_visible == pytest.approx(alone.smallest_visible)
    leaky = paired_gain(y[copies], ours[:, copies], theirs[:, copies], scoring=Accuracy())
    assert leaky.high - leaky.low < 0.6 * (alone.high - alone.low)


def test_a_metric_without_shares_is_recomputed_and_agrees() -> None:
    y, ours, theirs = problem(150, 2, seed=4, gain=0.1)
    folds = folds_of(150, 2)
    plain = paired_gain(y, ours, theirs, scoring=Accuracy(), folds=folds)
    again = paired_gain(y, ours, theirs, scoring=Recomputed(), folds=folds)
    assert again.gain == pytest.approx(plain.gain)
    assert (again.low, again.high) == pytest.approx((plain.low, plain.high), abs=0.015)
    assert again.p_value is None


def test_mean_average_precision() -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, (120, 4))
    theirs = rng.random((2, 120, 4))
    ours = 0.6 * theirs + 0.4 * y
    found = paired_gain(y, ours, theirs, scoring=AveragePrecision(), folds=folds_of(120, 2))
    assert found.low > 0.1
    assert found.gain == pytest.approx(
        np.mean([multilabel.mean_average_precision(y, ours[r]) for r in range(2)])
        - np.mean([multilabel.mean_average_precision(y, theirs[r]) for r in range(2)])
    )
    assert found.p_value is None
    same = paired_gain(y, ours, ours, scoring=AveragePrecision(), folds=folds_of(120, 2))
    assert (same.gain, same.low, same.high) == (0, 0, 0)


def test_regression_errors() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(size=300)
    theirs = y[None, :, None] + rng.normal(size=(3, 300, 1))
    ours = y[None, :, None] + 0.5 * rng.normal(size=(3, 300, 1))
    found = paired_gain(y, ours, theirs, scoring=NegativeError(), folds=folds_of(300, 3))
    assert 0.25 < found.low < found.gain < found.high < 0.55
    assert found.p_value is None


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (3, 3), (8, 1), (0, 12), (40, 25)])
def test_mcnemar_mid_p(better: int, worse: int) -> None:
    n, k = better + worse, min(better, worse)
    exact = stats.binomtest(k, n).pvalue if n else 1.0
    found = mcnemar(better, worse)
    assert found == mcnemar(worse, better)
    if better == worse:
        assert found == pytest.approx(1.0, abs=1e-12)
    else:  # mid-p: the exact p-value without half of both observed tails
        assert found == pytest.approx(exact - stats.binom.pmf(k, n, 0.5), abs=1e-12)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_smallest_visible_is_the_usual_formula() -> None:
    spread = np.sqrt(0.15 / 1300)
    interval = Interval(-1.959964 * spread, 1.959964 * spread, "")
    assert smallest_visible(interval, 1300, discordance=0.15) == pytest.approx(0.030, abs=1e-3)
    assert smallest_visible(interval, 1300) == pytest.approx(2.8 * spread, rel=2e-3)


def test_too_few() -> None:
    assert too_few(60, 0.05)
    assert not too_few(60, -0.2)
    assert not too_few(100, 0.01)


@pytest.mark.parametrize("gain", [0.0, 0.06])
@pytest.mark.parametrize("sets", [120, pytest.param(500, marks=pytest.mark.slow)])
def test_coverage_over_simulated_data_sets(gain: float, sets: int) -> None:
    n, repeats = 200, 3
    folds = folds_of(n, repeats)
    hits = above = 0
    for seed in range(sets):
        y, ours, theirs = problem(n, repeats, seed=seed, gain=gain)
        found = paired_gain(y, ours, theirs, scoring=Accuracy(), folds=folds, seed=seed)
        hits += found.low <= TRUTH[gain] <= found.high
        above += found.low > 0
    assert hits / sets >= 0.94  # the wider of two intervals covers at least its level
    assert above / sets <= 0.03 if gain == 0 else above / sets >= 0.3


def _truth(gain: float) -> float:
    """The expected gain of `problem`, by a large sample."""
    y, ours, theirs = problem(400_000, 1, seed=99, gain=gain)
    return float((ours.argmax(2) == y).mean() - (theirs.argmax(2) == y).mean())


TRUTH = {gain: _truth(gain) if gain else 0.0 for gain in (0.0, 0.06)}
