"""Scores of transferability: the anchors, brute force, what must not change them, and others' ways to compute them."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal, ortho_group, spearmanr
from sklearn.covariance import ledoit_wolf as sklearn_ledoit_wolf
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import mutual_info_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier

from headstart.measure import transferability
from headstart.measure.ridge import one_hot
from headstart.measure.spectral import basis
from headstart.measure.transferability import loo as loos
from headstart.measure.transferability.combined import combined, places
from headstart.measure.transferability.gbc import gbc
from headstart.measure.transferability.hscore import hscore, ledoit_wolf
from headstart.measure.transferability.knn import knn, neighbours
from headstart.measure.transferability.leep import leep
from headstart.measure.transferability.logme import logme, of_basis
from headstart.measure.transferability.nce import nce
from headstart.measure.transferability.nleep import nleep
from headstart.measure.transferability.parc import parc
from headstart.measure.transferability.transrate import transrate

FILES = sorted(module.name for module in pkgutil.iter_modules(transferability.__path__))


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return x / 16, y


def some(rows: int = 60, columns: int = 8, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % classes)
    return rng.normal(size=(rows, columns)) + rng.normal(size=(classes, columns))[y], y


@pytest.mark.parametrize("name", FILES)
def test_the_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"headstart.measure.transferability.{name}"))
    assert found.attempted
    assert not found.failed


# LogME


def test_logme_anchors(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    assert logme(x, one_hot(y, 10), centre=False) == pytest.approx(0.2702776, abs=1e-7)
    assert logme(x, one_hot(y, 10)) == pytest.approx(0.2748526, abs=1e-7)
    part = np.random.default_rng(0).permutation(len(x))[:150]
    assert logme(x[part], one_hot(y[part], 10), centre=False) == pytest.approx(0.1278544, abs=1e-7)


@pytest.mark.parametrize("shape", [(40, 7), (25, 60)])
def test_logme_is_the_largest_marginal_likelihood_of_a_gaussian_process(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=shape)
    y = x[:, 0] + rng.normal(size=shape[0])
    kernel = x @ x.T

    def height(log_t: float) -> float:  # y ~ N(0, (xx'/t + 1) / b) at the best b
        covariance = kernel / np.exp(log_t) + np.eye(len(y))
        scale = float(y @ np.linalg.solve(covariance, y)) / len(y)
        return float(multivariate_normal(np.zeros(len(y)), scale * covariance).logpdf(y))

    grid = np.linspace(-15, 15, 61)
    best = grid[np.argmax([height(at) for at in grid])]
    found = minimize_scalar(
        lambda at: -height(at), bounds=(best - 1, best + 1), method="bounded", options={"xatol": 1e-8}
    )
    assert logme(x, y, centre=False) == pytest.approx(-found.fun / len(y), abs=1e-9)


def published(features: np.ndarray, y: np.ndarray, rounds: int) -> float:
    """The fixed point of the paper's Algorithm 1, for more rows than columns."""
    rows, columns = features.shape
    values, vectors = np.linalg.eigh(features.T @ features)
    found = []
    for label in range(int(y.max()) + 1):
        target = (y == label).astype(np.float64)
        seen, alpha, beta = vectors.T @ (features.T @ target), 1.0, 1.0
        for _ in range(rounds):
            gamma = (beta * values / (alpha + beta * values)).sum()
            m = vectors @ (beta * seen / (alpha + beta * values))
            alpha = gamma / (m @ m)
            beta = (rows - gamma) / ((features @ m - target) ** 2).sum()
        m = vectors @ (beta * seen / (alpha + beta * values))
        found.append(
            columns / 2 * np.log(alpha) + rows / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * values).sum()
            - beta / 2 * ((features @ m - target) ** 2).sum() - alpha / 2 * m @ m - rows / 2 * np.log(2 * np.pi)
        )  # fmt: skip
    return float(np.mean(found)) / rows


def test_logme_is_where_the_published_iteration_ends() -> None:
    x, y = some(400, 12, 4)
    assert logme(x, one_hot(y, 4), centre=False) == pytest.approx(published(x, y, 300), abs=5e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(30, 5), (12, 20)]), st.floats(1e-3, 1e3))
def test_logme_does_not_see_rotation_scale_place_or_the_names_of_classes(
    seed: int, shape: tuple[int, int], scale: float
) -> None:
    x, y = some(*shape, seed=seed)
    targets = one_hot(y, 3)
    whole = logme(x, targets)
    turned = x @ ortho_group(shape[1], seed=seed).rvs()
    assert logme(turned, targets) == pytest.approx(whole, abs=1e-8)
    assert logme(scale * x + 7, targets) == pytest.approx(whole, abs=1e-8)
    assert logme(x, targets[:, [2, 0, 1]]) == pytest.approx(whole, abs=1e-12)
    order = np.random.default_rng(seed).permutation(len(x))
    assert logme(x[order], targets[order]) == pytest.approx(whole, abs=1e-9)
    assert of_basis(basis(x), targets) == pytest.approx(whole, abs=1e-9)


def test_logme_of_what_cannot_be_told() -> None:
    x, y = some()
    with pytest.raises(ValueError, match="no target varies"):
        logme(x, np.ones((60, 2)))
    with_constant = logme(x, np.stack([y == 0, np.ones(60)], axis=1))
    assert with_constant == pytest.approx(logme(x, y == 0), abs=1e-12)  # a constant says nothing
    assert np.isfinite(logme(np.ones((60, 4)), y == 0))
    assert np.isfinite(logme(np.eye(3)[y], np.eye(3)[y]))


# ridge


def test_leave_one_out_anchor(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    found = loos.of_basis(basis(x), one_hot(y, 10))
    assert found.accuracy(y) == pytest.approx(0.937674, abs=1e-6)
    assert found.relative == pytest.approx(0.0316, abs=1e-4)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_leave_one_out_is_that_of_so_many_fits(grouped: bool, weighted: bool) -> None:
    x, y = some(30, 6)
    targets, rng = one_hot(y, 3), np.random.default_rng(2)
    weights = rng.uniform(0.3, 3, 30) if weighted else None
    groups = rng.integers(0, 12, 30) if grouped else None
    found = loos.loo(x, targets, groups=groups, weights=weights)
    counts = np.ones(30) if weights is None else weights
    scaled = (x - np.average(x, axis=0, weights=counts)) / np.sqrt(
        np.average((x - np.average(x, axis=0, weights=counts)) ** 2, axis=0, weights=counts)
    )
    units = np.arange(30) if groups is None else groups
    for unit in np.unique(units):
        out = units == unit
        model = Ridge(alpha=found.penalty).fit(scaled[~out], targets[~out], counts[~out])
        np.testing.assert_allclose(found.predictions[out], model.predict(scaled[out]), atol=1e-9)
    fitted = loos.fitted(x, targets, groups=groups, weights=weights)
    whole = Ridge(alpha=found.penalty).fit(scaled, targets, counts)
    np.testing.assert_allclose(fitted(x), whole.predict(scaled), atol=1e-9)


def test_many_targets_are_predicted_whole() -> None:
    y = np.arange(300) % 100
    x = 4 * np.random.default_rng(0).normal(size=(100, 60))[y] + np.random.default_rng(1).normal(
        size=(300, 60)
    )
    found = loos.loo(x, one_hot(y, 100))
    assert found.predictions.shape == (300, 100)
    assert found.accuracy(y) > 0.9


def test_a_twin_does_not_help_where_it_is_in_the_group() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 90)), rng.integers(0, 2, 40)  # labels mean nothing
    twice, labels = np.concatenate([x, x]), np.concatenate([y, y])
    groups = np.tile(np.arange(40), 2)
    assert loos.loo(twice, one_hot(labels, 2)).accuracy(labels) > 0.9
    assert loos.loo(twice, one_hot(labels, 2), groups=groups).accuracy(labels) < 0.75
    assert (knn(twice, one_hot(labels, 2), k=1).argmax(1) == labels).all()
    assert np.mean(knn(twice, one_hot(labels, 2), k=1, groups=groups).argmax(1) == labels) < 0.75


# nearest neighbours


def test_neighbours_anchors(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    for k, accuracy in ((1, 0.988870), (5, 0.987757)):
        assert np.mean(knn(x, one_hot(y, 10), k=k).argmax(axis=1) == y) == pytest.approx(accuracy, abs=1e-6)
    assert (neighbours(50, 10), neighbours(49, 10)) == (5, 1)


def test_neighbours_are_those_of_scikit_learn() -> None:
    x, y = some(50, 5)
    found = knn(x, one_hot(y, 3), k=5)
    for row in range(50):
        others = np.arange(50) != row
        model = KNeighborsClassifier(
            5, metric="cosine", weights=lambda distance: np.exp(-distance / 0.07)
        ).fit(x[others], y[others])
        np.testing.assert_allclose(found[row], model.predict_proba(x[[row]])[0], atol=1e-9)


def test_neighbours_where_there_are_none() -> None:
    x, y = some(6, 3)
    found = knn(x, one_hot(y, 3), groups=np.zeros(6, int))
    np.testing.assert_allclose(found, np.full((6, 3), 1 / 3))
    assert np.isfinite(knn(np.zeros((6, 3)), one_hot(y, 3))).all()


# the others


def test_h_score_anchor_and_its_bound(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    assert hscore(x, y) == pytest.approx(5.851433, abs=1e-5)
    centred = x - x.mean(axis=0)
    share = ledoit_wolf(centred, centred.T @ centred / len(x))
    assert share == pytest.approx(sklearn_ledoit_wolf(x)[1], abs=1e-12)
    assert share == pytest.approx(0.0089285, abs=1e-6)
    few, labels = some(20, 40, 4)
    assert hscore(few, labels, shrink=False) == pytest.approx(3.0)  # C - 1: any features at all
    assert hscore(few, labels) < 3.0
    assert hscore(3 * x, y) == pytest.approx(hscore(x, y), rel=1e-9)


def test_transrate_anchor_and_its_two_ways(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    assert transrate(x, y) == pytest.approx(29.839885, abs=1e-5)
    assert transrate(3 * x, y, scale=True) == pytest.approx(transrate(x, y, scale=True), rel=1e-9)
    few, labels = some(20, 40)
    z = few - few.mean(axis=0)

    def rate(rows: np.ndarray) -> float:
        return 0.5 * np.linalg.slogdet(np.eye(40) + rows.T @ rows / (len(rows) * 1e-4))[1]

    expected = rate(z) - sum(np.mean(labels == c) * rate(z[labels == c]) for c in range(3))
    assert transrate(few, labels) == pytest.approx(expected)


def test_gbc_anchor_and_brute_force(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    assert gbc(x, y) == pytest.approx(-0.0586403, abs=1e-5)
    few, labels = some(60, 4)
    total = 0.0
    for i in range(3):
        for j in set(range(3)) - {i}:
            one, two = few[labels == i], few[labels == j]
            v, w = one.var(axis=0).mean(), two.var(axis=0).mean()
            apart = ((one.mean(axis=0) - two.mean(axis=0)) ** 2).sum()
            total -= np.exp(-apart / (4 * (v + w)) - 2 * np.log((v + w) / 2 / np.sqrt(v * w)))
    assert gbc(few, labels) == pytest.approx(total, rel=1e-9)
    assert gbc(few[:3], np.arange(3)) == 0.0  # single rows have no spread


def test_parc_anchor(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    # the correlation over principal directions depends on their signs, which the anchor does not tell
    assert parc(x[:600], one_hot(y[:600], 10)) == pytest.approx(0.27, abs=0.04)
    few, labels = some(40, 5)
    axes = np.linalg.svd(few - few.mean(axis=0), full_matrices=False)[2].T
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(5)])
    seen = (few - few.mean(axis=0)) @ axes
    upper = np.triu_indices(40, 1)
    features = (1 - np.corrcoef(seen / seen.std(axis=0)))[upper]
    classes = (labels[:, None] != labels)[upper].astype(float)
    assert parc(few, one_hot(labels, 3)) == pytest.approx(spearmanr(features, classes)[0], abs=1e-9)


def test_nce_is_minus_the_conditional_entropy() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.integers(0, 7, 200), rng.integers(0, 3, 200)
    share = np.bincount(y) / 200
    assert nce(z, y) == pytest.approx(mutual_info_score(z, y) + (share * np.log(share)).sum())
    assert nce(z + 100, 2 - y) == pytest.approx(nce(z, y))


def test_leep_by_its_definition() -> None:
    rng = np.random.default_rng(0)
    theta, y = rng.dirichlet(np.ones(5), 40), rng.integers(0, 3, 40)
    theta[:, 4] = 0.0  # a class that the source never says
    joint = np.array([[theta[y == c, z].sum() / 40 for z in range(5)] for c in range(3)])
    given_z = joint / np.where(joint.sum(axis=0) > 0, joint.sum(axis=0), 1)
    expected = np.mean([np.log(sum(given_z[y[i], z] * theta[i, z] for z in range(5))) for i in range(40)])
    assert leep(theta, y) == pytest.approx(expected)
    certain = np.eye(5)[theta.argmax(axis=1)]
    assert leep(certain, y) == pytest.approx(nce(theta.argmax(axis=1), y))  # the same where it is certain


def test_nleep_is_the_same_each_time_and_knows_the_better() -> None:
    x, y = some(120, 6)
    noise = np.random.default_rng(0).normal(size=(120, 6))
    assert nleep(x, y) == nleep(x, y)
    assert nleep(x, y) > nleep(noise, y)
    assert nleep(1000 * x, y) == pytest.approx(nleep(x, y), abs=1e-6)
    assert nleep(np.ones((9, 2)), np.arange(9) % 3) == pytest.approx(np.log(1 / 3))


@pytest.mark.parametrize("shape", [(60, 8), (20, 40)])
def test_shrunk_h_score_by_the_covariance_of_scikit_learn(shape: tuple[int, int]) -> None:
    x, y = some(*shape)
    centred = x - x.mean(axis=0)
    means = np.stack([centred[y == c].mean(axis=0) for c in range(3)])[y]
    shrunk, share = sklearn_ledoit_wolf(x)
    between = means.T @ means / (len(x) - 1)
    assert hscore(x, y) == pytest.approx((1 - share) * np.trace(np.linalg.solve(shrunk, between)))


def test_nleep_by_the_parts_of_scikit_learn() -> None:
    x, y = some(120, 6)
    seen = PCA(n_components=0.8, svd_solver="full").fit_transform(x)
    seen = seen / np.sqrt(seen.var(axis=0).sum())
    values = [
        leep(GaussianMixture(15, covariance_type="diag", random_state=seed).fit(seen).predict_proba(seen), y)
        for seed in range(8)
    ]
    assert nleep(x, y) == pytest.approx(np.mean(values), abs=4 * np.std(values))  # k-means begins elsewhere


ROTATED, MOVED = (
    ("hscore", "transrate", "gbc", "knn"),
    ("ridge", "hscore", "transrate", "gbc", "parc", "nleep"),
)
SCORES = {
    "ridge": lambda x, y: -loos.loo(x, one_hot(y, 3)).mse,
    "knn": lambda x, y: float(np.mean(knn(x, one_hot(y, 3)).argmax(axis=1) == y)),
    "hscore": hscore,
    "transrate": lambda x, y: transrate(x, y, scale=True),
    "gbc": gbc,
    "parc": lambda x, y: parc(x, one_hot(y, 3)),
    "nleep": nleep,
    "leep": lambda x, y: leep(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), y),
    "nce": lambda x, y: nce(x.argmax(axis=1), y),
}


@pytest.mark.parametrize("name", SCORES)
def test_what_does_not_change_a_score(name: str) -> None:
    score, (x, y) = SCORES[name], some(60, 8)
    whole = score(x, y)
    renamed = np.array([2, 0, 1])[y]
    assert score(x, renamed) == pytest.approx(whole, rel=1e-9)
    if name != "nleep":  # whose mixture is begun by the order of rows
        order = np.random.default_rng(1).permutation(len(x))
        assert score(x[order], y[order]) == pytest.approx(whole, rel=1e-9)
    if name != "leep":  # of probabilities
        assert score(7 * x, y) == pytest.approx(whole, rel=1e-6)
    if name in MOVED:
        assert score(x + 3, y) == pytest.approx(whole, rel=1e-6)
    if name in ROTATED:
        assert score(x @ ortho_group(8, seed=1).rvs(), y) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("name", [*SCORES, "logme"])
def test_right_labels_score_above_shuffled_ones(name: str) -> None:
    score = SCORES.get(name, lambda x, y: logme(x, one_hot(y, 3)))
    y = np.arange(90) % 3
    rng = np.random.default_rng(3)
    x = rng.normal(size=(90, 6)) + 2 * np.eye(3, 6)[y]
    shuffled = [score(x, rng.permutation(y)) for _ in range(8)]
    assert score(x, y) > max(shuffled)


# together


def test_places_and_their_mean() -> None:
    np.testing.assert_allclose(places([3.0, 1.0, np.nan, 3.0]), [5 / 6, 1 / 3, 0, 5 / 6])
    scores = {"a": [0.1, 0.2, 0.3], "b": [5.0, 9.0, 7.0]}
    np.testing.assert_allclose(
        combined(scores, [1.0, 1.0, 1.0], weight=0.5), [1 / 9 / 2 * 3, 0.75 / 1.5 + 1 / 6, 2 / 3]
    )
    np.testing.assert_allclose(combined(scores, [3.0, 2.0, 1.0], weight=0.0), [0.0, 0.75, 0.75])
    parted = combined(scores, [3.0, 2.0, 1.0], weight=0.5)
    assert parted[1] > parted[2]  # the prior parts equals
    np.testing.assert_allclose(combined({"a": [2.0]}, [1.0], weight=0.5), [0.0])
