from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy import stats

from headstart.core.split import Fold
from headstart.measure import multilabel
from headstart.measure.intervals import Interval
from headstart.measure.metrics import known_mean
from headstart.measure.paired import (
    TRAINING_SHARE,
    Resampling,
    deciding,
    holm,
    mcnemar,
    paired_gain,
    smallest_visible,
    too_few,
)
from headstart.tasks.classification import Classification


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
    assert (found.gain, found.p_value) == (0, 1)
    assert -found.low == found.high == pytest.approx(1.96 / 200, rel=1e-4)  # as if one item told them apart
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
    assert found.low < found.sampled.low < found.sampled.high < found.high


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


def test_what_could_be_seen_in_large_groups_is_that_of_their_means() -> None:
    """Groups whose items are right by chance tell as much as their items do, not as one item each."""
    y, ours, theirs = problem(1200, 1, seed=6, gain=0.0)
    alone = paired_gain(y, ours, theirs, scoring=Accuracy())
    grouped = paired_gain(y, ours, theirs, scoring=Accuracy(), groups=np.arange(1200) // 30)
    assert grouped.n == 40
    assert grouped.smallest_visible == pytest.approx(alone.smallest_visible, rel=0.35)


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
        np.mean([known_mean(multilabel.average_precisions(y, ours[r])) for r in range(2)])
        - np.mean([known_mean(multilabel.average_precisions(y, theirs[r])) for r in range(2)])
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


@pytest.mark.parametrize("n", [12, 200])
def test_the_interval_that_decides_leaves_more_below_than_above(n: int) -> None:
    y, ours, theirs = problem(n, 2, seed=3, gain=0.1)
    both = paired_gain(y, ours, theirs, scoring=Accuracy(), folds=folds_of(n, 2))
    found = deciding(both)
    assert (found.gain, found.error) == (both.gain, both.error)
    quantile = stats.t(n - 1).ppf if n < 30 else stats.norm.ppf
    below = (both.gain - found.low) / (both.gain - both.low)
    assert below == pytest.approx(quantile(0.95) / quantile(0.975))
    above = (found.high - both.gain) / (both.high - both.gain)
    assert above == pytest.approx(quantile(1 - 0.05 / 4) / quantile(0.975))
    assert found.level == pytest.approx(0.9375)
    # 1.645 + 0.842 standard errors, where a two-sided test needs 1.960 + 0.842
    assert found.smallest_visible / both.smallest_visible == pytest.approx(2.4865 / 2.8016, rel=1e-3)
    same = deciding(both, below=0.025, above=0.025)
    assert (same.low, same.high, same.level) == pytest.approx((both.low, both.high, both.level))
    assert "(5 % of it below, 1.25 % above)" in found.method


def test_no_rival_need_be_corrected_for_another() -> None:
    """Just as good as one rival and far better than the other: both are beaten in one run of twenty."""
    claims, runs = {"one-sided": 0, "two-sided": 0}, 300
    for seed in range(runs):
        y, ours, theirs = problem(150, 1, seed=seed, noise=0.4)
        _, worse, _ = problem(150, 1, seed=1000 + seed, gain=-0.4, noise=0.4)
        found = [
            paired_gain(y, ours, other, scoring=Accuracy(), resampling=Resampling(300))
            for other in (theirs, worse)
        ]
        claims["two-sided"] += all(one.low > 0 for one in found)
        claims["one-sided"] += all(deciding(one).low > 0 for one in found)
    assert claims["two-sided"] < claims["one-sided"]
    assert 0.02 * runs < claims["one-sided"] < 0.08 * runs  # 5 %, with a standard error of 1.3


def test_too_few() -> None:
    assert too_few(60, 0.05)
    assert not too_few(60, -0.2)
    assert not too_few(100, 0.01)


def test_the_interval_is_widened_by_a_share_of_the_training_term() -> None:
    """Of what Nadeau and Bengio add to the variance."""
    y, ours, theirs = problem(150, 3, seed=1, gain=0.1)
    folds = folds_of(150, 3)
    found = paired_gain(y, ours, theirs, scoring=Accuracy(), folds=folds)
    difference = (ours.argmax(2) == y).astype(float) - (theirs.argmax(2) == y)
    per_fold = [difference[fold.repeat, fold.test].mean() for fold in folds]
    assert found.sampled is not None
    z = stats.norm.ppf(0.975)
    own = (found.sampled.width / 2 / z) ** 2
    added = TRAINING_SHARE * np.var(per_fold, ddof=1) * 0.25  # 30 held-out rows to 120
    assert (found.high - found.low) / 2 / z == pytest.approx(np.sqrt(own + added))
    single = paired_gain(y, ours[:1], theirs[:1], scoring=Accuracy(), folds=folds[:1])  # fewer than 5 folds
    assert single.sampled is not None
    assert (single.high - single.low) / single.sampled.width == pytest.approx(
        np.sqrt(1 + TRAINING_SHARE * 0.25)
    )


# coverage, by fitting anew


def ridge(x: np.ndarray, y: np.ndarray, z: np.ndarray, classes: int) -> np.ndarray:
    """Scores `[F, m, K]` of `z` by a least-squares classifier for every training part `x` `[F, n, d]`."""
    mean, targets = x.mean(axis=1, keepdims=True), np.eye(classes)[y]
    share = targets.mean(axis=1, keepdims=True)
    centred = x - mean
    turned = centred.transpose(0, 2, 1)
    weight = np.linalg.solve(turned @ centred + np.eye(x.shape[2]), turned @ (targets - share))
    return (z - mean) @ weight + share


Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def gaussians(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.random.default_rng(5).standard_normal((3, 20)) * 0.35
    y = rng.integers(0, 3, n)
    return centres[y] + rng.standard_normal((n, 20)), y


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def handwriting(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = digits()
    rows = rng.integers(0, len(y), n)
    return x[rows] / 16 + 0.4 * rng.standard_normal((n, 64)), y[rows]


def fitted_gain(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, theirs: str) -> np.ndarray:
    """Predictions `[2, F, m, K]` of ridge on all columns, and of its rival, trained and tested on rows `[F, n]`
    and `[F, m]`."""
    classes = int(y.max()) + 1
    ours = ridge(x[train], y[train], x[test], classes)
    if theirs == "half":
        half = x[:, : x.shape[1] // 2]
        return np.stack([ours, ridge(half[train], y[train], half[test], classes)])
    counts = np.eye(classes)[y[train]].sum(axis=1, keepdims=True)
    return np.stack([ours, np.broadcast_to(counts, ours.shape)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "theirs", "n", "repeats"),
    [(gaussians, "half", 60, 10), (gaussians, "majority", 150, 3), (handwriting, "half", 120, 1)],
)
def test_intervals_cover_at_their_nominal_rate(draw: Draw, theirs: str, n: int, repeats: int) -> None:
    """95 % +- 2 over 500 simulated data sets, learners refitted in every fold of every one."""
    rng, sets = np.random.default_rng(0), 500
    truths = []
    for _ in range(80):
        x, y = draw(rng, n - n // 5 + 4000)
        train, test = np.arange(n - n // 5), np.arange(n - n // 5, len(y))
        p = fitted_gain(x, y, train[None], test[None], theirs)[:, 0]
        truths.append((p.argmax(2) == y[test]).mean(axis=1))
    truth = float(np.mean([a - b for a, b in truths]))
    hits = early = 0
    for seed in range(sets):
        x, y = draw(rng, n)
        classes, folds = int(y.max()) + 1, folds_of(n, repeats, seed=seed)
        p = np.full((2, repeats, n, classes), np.nan)
        train, test = np.stack([f.train for f in folds]), np.stack([f.test for f in folds])
        p[:, [[f.repeat] for f in folds], test] = fitted_gain(x, y, train, test, theirs)
        found = paired_gain(
            y, p[0], p[1], scoring=Accuracy(), folds=folds, resampling=Resampling(1000, seed=seed)
        )
        hits += found.low <= truth <= found.high
        early += deciding(found).low > truth
    assert 0.93 <= hits / sets <= 0.97
    assert 0.02 <= early / sets <= 0.08  # 5 %


def test_copies_in_one_group_do_not_sharpen_the_interval() -> None:
    """Every item four times over, under one group: no more is known than before."""
    y, ours, theirs = problem(120, 2, seed=4, gain=0.1)
    once = paired_gain(y, ours, theirs, scoring=Accuracy(), folds=folds_of(120, 2))
    again = np.repeat(np.arange(120), 4)
    folds = [
        Fold(f.repeat, np.flatnonzero(np.isin(again, f.train)), np.flatnonzero(np.isin(again, f.test)))
        for f in folds_of(120, 2)
    ]
    copied = paired_gain(
        y[again], ours[:, again], theirs[:, again], scoring=Accuracy(), folds=folds, groups=again
    )
    assert copied.gain == pytest.approx(once.gain)
    assert copied.n == once.n == 120
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.1)
    blind = paired_gain(y[again], ours[:, again], theirs[:, again], scoring=Accuracy(), folds=folds)
    assert blind.sampled.width < 0.6 * copied.sampled.width  # what groups are there for


def test_a_fold_in_which_the_metric_is_not_defined_is_no_end() -> None:
    """A fold of one class has no area under a curve: the others tell the gain."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    folds = [Fold(0, np.setdiff1d(np.arange(60), part), part) for part in np.array_split(np.arange(60), 6)]
    p = [
        np.stack([1 - s, s], axis=1)[None]
        for s in (np.clip(y + rng.normal(0, k, 60), 0, 1) for k in (0.3, 2.0))
    ]
    score = Classification().scores["AUROC"]
    found = paired_gain(y, *p, scoring=score, folds=folds, resampling=Resampling(200))
    assert found.low < found.gain < found.high
