"""Learning curves: the fit against scipy's, the band by simulation, and what may never be said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from headstart.measure.curves import (
    FARTHEST,
    fit_curve,
    fit_power_law,
    labels_saved,
    normal_draws,
)

SIZES = np.array([30.0, 60.0, 120.0, 240.0])
ENOUGH = np.full(4, 99.0)


def truth(n, a: float = 1.5, b: float = 0.5, c: float = 0.05):
    return a * np.asarray(n, float) ** -b + c


@pytest.mark.parametrize(("a", "b", "c"), [(1.5, 0.5, 0.05), (4.0, 0.9, 0.1), (0.8, 0.3, 0.02)])
def test_the_fit_is_that_of_scipy(a: float, b: float, c: float) -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([20.0, 40.0, 80.0, 160.0, 320.0, 640.0])
    sd = 0.02 * truth(sizes, a, b, c)
    errors = truth(sizes, a, b, c) + sd * rng.standard_normal(6)
    found = fit_power_law(sizes, errors, sd)
    (a2, b2, c2), _ = curve_fit(
        lambda n, a, b, c: a * n**-b + c,
        sizes,
        errors,
        p0=(a, b, c),
        sigma=sd,
        bounds=([0, 0.01, 0], [99, 4, errors.min()]),
    )
    for n in (20, 100, 640, 1280):
        assert found(n) == pytest.approx(a2 * n**-b2 + c2, rel=0.02)


def test_the_band_covers_the_true_curve_at_about_its_rate() -> None:
    cover, gains, runs = {30: 0, 240: 0, 480: 0}, 0, 150
    p = truth(SIZES)
    var = p * (1 - p) / 300
    covariance = 0.7 * np.sqrt(np.outer(var, var)) + np.diag(0.3 * var)
    for seed in range(runs):
        errors = np.maximum(normal_draws(p, covariance, 1, seed=seed)[0], 0)
        curve = fit_curve(SIZES, errors, covariance, counts=ENOUGH, seed=seed)
        assert not isinstance(curve, str)
        for n in cover:
            cover[n] += curve.at(n).low <= truth(n) <= curve.at(n).high
        gain = curve.gain(240, 480)
        gains += gain.low <= truth(240) - truth(480) <= gain.high
    for hits in (*cover.values(), gains):
        assert 0.82 <= hits / runs <= 0.99


def test_points_that_move_together_leave_the_gain_sure() -> None:
    p = truth(SIZES)
    together = np.outer(0.1 * p, 0.1 * p)  # all errors are too large, or too small, by the same share
    apart = np.diag(np.diag(together))
    width = []
    for covariance in (together, apart):
        curve = fit_curve(SIZES, p, covariance, counts=ENOUGH)
        assert not isinstance(curve, str)
        gain = curve.gain(240, 480)
        width.append(gain.high - gain.low)
    assert width[0] < 0.5 * width[1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=6),
    st.floats(0.001, 0.1),
)
def test_curves_fall_and_stay_within_range(errors: list[float], sd: float) -> None:
    sizes = 20.0 * 2.0 ** np.arange(len(errors))
    curve = fit_curve(sizes, np.array(errors), sd**2 * np.eye(len(errors)), counts=np.full(len(errors), 30))
    assert not isinstance(curve, str)
    at = [curve.at(float(n)) for n in np.geomspace(20, FARTHEST * sizes[-1], 9)]
    values = np.array([[e.low, e.value, e.high] for e in at])
    assert np.isfinite(values).all()
    assert (values >= -1e-9).all()
    assert (np.diff(values, axis=1) >= -1e-12).all()
    assert (np.diff(values[:, 1]) <= 1e-9).all()
    assert 0 <= curve.law.c <= min(errors) + 1e-12
    assert curve.gain(sizes[-1], 2 * sizes[-1]).low >= -1e-9


def test_nothing_is_said_too_far_out() -> None:
    curve = fit_curve(SIZES, truth(SIZES), 1e-4 * np.eye(4), counts=ENOUGH)
    assert not isinstance(curve, str)
    assert curve.at(FARTHEST * 240).value < curve.at(240).value
    for n in (FARTHEST * 240 + 1, 0, -3):
        with pytest.raises(ValueError, match="says nothing"):
            curve.at(n)
    with pytest.raises(ValueError, match="says nothing"):
        curve.gain(240, 9 * 240)


def test_too_little_to_fit_is_told_in_words() -> None:
    few = fit_curve(SIZES, truth(SIZES), np.eye(4), counts=np.array([50, 30, 19, 2]))
    assert isinstance(few, str)
    assert "20 errors at each of 3 sizes" in few
    short = fit_curve(SIZES[:2], truth(SIZES[:2]), np.eye(2), counts=ENOUGH[:2])
    assert isinstance(short, str)
    assert "3 sizes" in short
    with pytest.raises(ValueError, match="positive"):
        fit_power_law(np.array([0.0, 1.0, 2.0]), np.ones(3), np.ones(3))


def test_the_same_seed_gives_the_same_band() -> None:
    curves = [fit_curve(SIZES, truth(SIZES), 1e-3 * np.eye(4), counts=ENOUGH, seed=3) for _ in range(2)]
    np.testing.assert_array_equal(curves[0].resampled, curves[1].resampled)  # type: ignore[union-attr]


def draws(errors, theirs: float, sd: float = 0.01) -> np.ndarray:
    return normal_draws(np.append(errors, theirs), sd**2 * np.eye(len(errors) + 1), 400)


def test_labels_saved_are_read_between_the_points() -> None:
    errors = np.array([0.4, 0.3, 0.2, 0.1])
    saved = labels_saved(SIZES, errors, 0.2, 240, draws=draws(errors, 0.2))
    assert saved is not None
    assert saved.labels == pytest.approx(120)
    assert saved.ratio == pytest.approx(2)
    assert 1 < saved.low < 2 < saved.high < 4
    assert not saved.at_least
    middle = labels_saved(SIZES, errors, 0.25, 240, draws=draws(errors, 0.25))
    assert middle is not None
    assert middle.labels == pytest.approx(np.sqrt(60 * 120))


def test_more_cannot_be_known_than_the_fewest_labels() -> None:
    errors = np.array([0.3, 0.2, 0.15, 0.1])
    saved = labels_saved(SIZES, errors, 0.5, 240, draws=draws(errors, 0.5))
    assert saved is not None
    assert saved.at_least
    assert (saved.labels, saved.ratio, saved.low, saved.high) == (30, 8, 8, 8)


def test_nothing_is_claimed_from_beyond_the_measured_points() -> None:
    errors = np.array([0.4, 0.3, 0.25, 0.2])
    assert labels_saved(SIZES, errors, 0.19, 240, draws=draws(errors, 0.19)) is None
    close = labels_saved(SIZES, errors, 0.2, 240, draws=draws(errors, 0.2, 0.03))
    assert close is not None
    assert close.low == 0  # in some resamples it is not reached


def test_a_lucky_point_is_pooled_with_its_neighbour() -> None:
    errors = np.array([0.4, 0.2, 0.3, 0.1])  # the second is better than the third by chance
    saved = labels_saved(SIZES, errors, 0.25, 240, draws=draws(errors, 0.25))
    assert saved is not None
    assert saved.labels == pytest.approx(60)
    assert labels_saved(SIZES, errors, 0.2, 240, draws=draws(errors, 0.2)).labels > 120  # type: ignore[union-attr]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5), st.floats(0.0, 1.0))
def test_saved_labels_stay_within_the_measured_sizes(errors: list[float], theirs: float) -> None:
    sizes = 10.0 * 2.0 ** np.arange(len(errors))
    saved = labels_saved(sizes, np.array(errors), theirs, sizes[-1], draws=draws(errors, theirs))
    if saved is not None:
        assert sizes[0] <= saved.labels <= sizes[-1] + 1e-9
        assert saved.low <= saved.ratio <= saved.high <= sizes[-1] / sizes[0] + 1e-9
