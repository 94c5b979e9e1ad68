"""Maps between domains: by their formulas, by POT where it is there, and by what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from headstart.measure.alignment.clusters import clusters
from headstart.measure.alignment.coral import coral
from headstart.measure.alignment.density import density_weights, effective
from headstart.measure.alignment.frame import FLOOR, Affine, Moments, frame, moments, power
from headstart.measure.alignment.linot import linot
from headstart.measure.alignment.subspace import subspace, width

RNG = np.random.default_rng(0)


def clouds(rows: int = 400, columns: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(source, target, the symmetric map between them)."""
    rng = np.random.default_rng(1)
    root = rng.normal(size=(columns, columns))
    move = root @ root.T / columns + 0.3 * np.eye(columns)
    xs = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    return xs, xs @ move + 3.0, move


def test_coral_gives_the_source_the_moments_of_the_target() -> None:
    xs, xt, _ = clouds(20_000)
    moved = coral(xs, xt).source(xs)
    np.testing.assert_allclose(moved.mean(axis=0), xt.mean(axis=0), atol=1e-8)
    np.testing.assert_allclose(np.cov(moved.T, bias=True), np.cov(xt.T, bias=True), rtol=0.05, atol=0.05)


def test_coral_is_its_formula() -> None:
    xs, xt, _ = clouds()
    _, _, cs, ct = moments(xs, xt)
    wanted = np.linalg.inv(sqrtm(cs).real) @ sqrtm(ct).real
    np.testing.assert_allclose(coral(xs, xt).source.matrix, wanted, atol=1e-6)  # type: ignore[attr-defined]


def test_linot_finds_a_symmetric_map() -> None:
    xs, xt, move = clouds(20_000)
    way = linot(xs, xt).source
    np.testing.assert_allclose(way.matrix, move, atol=0.1)  # type: ignore[attr-defined]
    np.testing.assert_allclose(way(xs), xt, atol=0.5)


def test_linot_is_that_of_pot() -> None:
    gaussian = pytest.importorskip("ot.gaussian")
    xs, xt, _ = clouds()
    source, target, cs, ct = moments(xs, xt)
    matrix, offset = gaussian.bures_wasserstein_mapping(source.mean, target.mean, cs, ct)
    way = linot(xs, xt).source
    np.testing.assert_allclose(way.matrix, matrix, atol=1e-6)  # type: ignore[attr-defined]
    np.testing.assert_allclose(way.offset, np.ravel(offset), atol=1e-6)  # type: ignore[attr-defined]


def test_subspace_is_its_formula() -> None:
    xs, xt = RNG.normal(size=(300, 40)) * np.linspace(3, 0.1, 40), RNG.normal(size=(300, 40))
    xt *= np.linspace(3, 0.1, 40)[::-1]
    kept = width(xs, xt)
    ps, pt = (np.linalg.svd(x - x.mean(axis=0))[2][:kept].T for x in (xs, xt))
    way = subspace(xs, xt)
    ours, theirs = way.source(xs), way.target(xt)
    # axes have no sign: distances between rows do not depend on it
    wanted = (xs - xs.mean(axis=0)) @ ps @ ps.T @ pt
    np.testing.assert_allclose(ours @ ours.T, wanted @ wanted.T, atol=1e-6)
    np.testing.assert_allclose(
        theirs @ theirs.T, (xt - xt.mean(axis=0)) @ pt @ pt.T @ (xt - xt.mean(axis=0)).T, atol=1e-6
    )


@pytest.mark.parametrize("align", [coral, linot])
def test_equal_clouds_stay_where_they_are(align: object) -> None:
    xs, _, _ = clouds()
    moved = align(xs, xs).source(xs)  # type: ignore[operator]
    np.testing.assert_allclose(moved, xs, atol=1e-6)


@pytest.mark.parametrize("align", [coral, linot, subspace])
def test_weights_are_repetitions(align: object) -> None:
    xs, xt, _ = clouds(120)
    times = np.random.default_rng(2).integers(1, 4, len(xs))
    repeated = Moments.of(np.repeat(xs, times, axis=0))
    weighted = Moments.of(xs, times.astype(float))
    np.testing.assert_allclose(repeated.mean, weighted.mean)
    np.testing.assert_allclose(repeated.covariance, weighted.covariance)
    assert np.isfinite(align(xs, xt, times.astype(float)).source(xs)).all()  # type: ignore[operator]


def test_shrinkage_is_that_of_ledoit_and_wolf() -> None:
    from sklearn.covariance import ledoit_wolf

    x = RNG.normal(size=(60, 30)) @ RNG.normal(size=(30, 30))
    assert Moments.of(x).doubt == pytest.approx(ledoit_wolf(x)[1], rel=1e-6)


def test_columns_are_standardised_over_both() -> None:
    xs, xt = RNG.normal(size=(90, 20)), 5 + RNG.normal(size=(60, 20))
    xs[:, 3] = xt[:, 3] = 1.0
    seen = frame(xs, xt)
    np.testing.assert_allclose((seen(xs).mean(axis=0) + seen(xt).mean(axis=0)) / 2, 0, atol=1e-8)
    assert (seen(xs)[:, 3] == 0).all(), "a dead column says nothing"


@pytest.mark.parametrize("align", [coral, linot])
@pytest.mark.parametrize("columns", [200, 60])
def test_few_rows_turn_few_directions_and_keep_the_others(align: object, columns: int) -> None:
    rng = np.random.default_rng(5)
    xs, xt = rng.normal(size=(90, columns)), 2 * rng.normal(size=(80, columns)) + 1
    way = align(xs, xt).source  # type: ignore[operator]
    moved = way(xs)
    np.testing.assert_allclose(moved.mean(axis=0), xt.mean(axis=0), atol=1e-8)
    stretch = xt.std(axis=0) / xs.std(axis=0)
    left = way.matrix / stretch[:, None] - np.eye(columns)  # what is no stretching of columns
    assert np.linalg.matrix_rank(left, tol=0.05) <= 8


def test_a_folded_head_says_the_same() -> None:
    way = Affine(RNG.normal(size=(7, 4)), RNG.normal(size=4))
    weight, bias, x = RNG.normal(size=(3, 4)), RNG.normal(size=3), RNG.normal(size=(20, 7))
    folded, moved = way.fold(weight, bias)
    np.testing.assert_allclose(x @ folded.T + moved, way(x) @ weight.T + bias)


def test_powers() -> None:
    root = RNG.normal(size=(6, 6))
    matrix = root @ root.T + np.eye(6)
    np.testing.assert_allclose(power(matrix, 0.5) @ power(matrix, 0.5), matrix)
    np.testing.assert_allclose(power(matrix, -0.5) @ matrix @ power(matrix, -0.5), np.eye(6), atol=1e-9)
    assert FLOOR > 0


def test_clusters_mend_a_head_that_is_off() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=300)
    x = 4 * np.eye(3)[y] + rng.normal(0, 0.5, (300, 3))
    wrong = np.eye(3)[np.where(rng.random(300) < 0.3, rng.integers(3, size=300), y)]
    said, margin = clusters(x - x.mean(axis=0), wrong)
    assert (said == y).mean() > 0.99
    assert (margin >= 0).all()
    one, _ = clusters(x, np.tile([1.0, 0.0, 0.0], (300, 1)))
    assert (one == 0).all(), "a class that nothing is thought to be of has no cluster"


def test_density_weights_are_the_ratio() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=20_000)
    odds = x - 0.5  # log of N(1, 1) over N(0, 1)
    weights = density_weights(odds)
    assert weights.mean() == pytest.approx(1.0)
    assert float((weights * x).mean()) == pytest.approx(1.0, abs=0.15)
    assert effective(np.ones(10)) == 10
    assert effective(np.eye(10)[0]) == 1


def test_a_transport_plan_carries_rows_to_the_target() -> None:
    pytest.importorskip("ot")
    from headstart.measure.alignment.entropic import entropic

    rng = np.random.default_rng(5)
    xs = rng.normal(size=(80, 2))
    xt = rng.normal(size=(90, 2)) + 10
    way = entropic(xs, xt)
    assert np.abs(way.source(xs).mean(axis=0) - xt.mean(axis=0)).max() < 0.2
    # a new row moves as the nearest one does
    moved = way.source(xs[:1] + 1e-6) - xs[:1]
    np.testing.assert_allclose(moved, way.source(xs[:1]) - xs[:1], atol=1e-4)
