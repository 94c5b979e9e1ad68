from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from headstart.errors import DataError
from headstart.measure.ridge import (
    LEVERAGE_FLOOR,
    RELATIVE,
    Dual,
    block_left_out,
    centred_gram,
    coefficients,
    group_blocks,
    loo_ridge,
    one_hot,
    sketched,
)
from headstart.measure.spectral import basis


def brute_force(features, targets, penalty, groups):
    predictions = np.empty_like(targets)
    for group in np.unique(groups):
        out = groups == group
        model = Ridge(alpha=penalty, solver="svd")
        model.fit(features[~out], targets[~out])
        predictions[out] = np.asarray(model.predict(features[out])).reshape(out.sum(), -1)
    return predictions


@pytest.mark.parametrize("shape", [(30, 8), (20, 50)])
@pytest.mark.parametrize("grouped", [False, True])
def test_leave_one_out_is_exact(shape: tuple[int, int], grouped: bool) -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=shape), rng.normal(size=(shape[0], 3))
    groups = rng.integers(0, 9, shape[0]) if grouped else np.arange(shape[0])
    made = basis(features)
    found = loo_ridge(made, targets, groups=groups if grouped else None, relative=[0.1])
    expected = brute_force(features, targets, found.penalty, groups)
    np.testing.assert_allclose(found.predictions, expected, atol=1e-9)
    errors = ((expected - targets) ** 2).sum(axis=1)
    np.testing.assert_allclose(found.errors, errors, atol=1e-9)
    assert found.mse == pytest.approx(errors.mean())


@pytest.mark.parametrize("shape", [(40, 8), (40, 60)])
@pytest.mark.parametrize("penalty", [0.05, 30.0])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_of_a_part_it_is_as_if_there_were_no_other_rows(
    shape: tuple[int, int], penalty: float, grouped: bool, whole: bool
) -> None:
    rng = np.random.default_rng(0)
    features, targets = 3 + rng.normal(size=shape), 7 + rng.normal(size=(shape[0], 3))
    part = np.arange(40) if whole else np.sort(rng.permutation(40)[:28])
    groups = rng.integers(9, size=len(part)) if grouped else np.arange(len(part))
    dual = Dual.of(centred_gram(features @ features.T), penalty)
    assert dual is not None
    found = dual.left_out(targets[part], None if whole else part, groups if grouped else None)
    expected = targets[part] - brute_force(features[part], targets[part], penalty, groups)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("grouped", [False, True])
def test_single_precision_is_taken_where_it_is_exact_enough(grouped: bool) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(150, 300)) * np.geomspace(1, 0.03, 300) + 0.3 * rng.normal(size=(150, 1))
    targets, groups = rng.normal(size=(150, 2)), np.arange(150) // 2 if grouped else np.arange(150)
    centred, part = centred_gram(features @ features.T), np.sort(rng.permutation(150)[:120])
    for relative, kind in ((1.0, np.float32), (1e-3, np.float64)):
        penalty = relative * float(np.trace(centred)) / 150
        dual = Dual.of(centred, penalty)
        assert dual is not None
        assert dual.solved.dtype == kind
        found = dual.left_out(targets[part], part, groups[part] if grouped else None)
        expected = targets[part] - brute_force(features[part], targets[part], penalty, groups[part])
        np.testing.assert_allclose(found, expected, atol=1e-4 if kind == np.float32 else 1e-8)
        assert np.mean(found**2) == pytest.approx(np.mean(expected**2), rel=1e-6)


def test_products_that_are_singular_have_no_dual() -> None:
    assert Dual.of(np.diag([1.0, -2.0, 1.0]), 0.5) is None


def test_the_path_picks_the_least_error() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 20))
    targets = features[:, :1] + rng.normal(size=(60, 1))
    made = basis(features)
    path = [loo_ridge(made, targets, relative=[r]).mse for r in RELATIVE]
    found = loo_ridge(made, targets)
    np.testing.assert_allclose(found.path, path, rtol=1e-10)
    assert found.relative == RELATIVE[int(np.argmin(path))]
    assert len(RELATIVE) == 19
    assert found.mse < targets.var() < 1.2 * path[-1]


def test_anchor_on_digits() -> None:
    features, y = load_digits(return_X_y=True)
    found = loo_ridge(basis(features / 16), one_hot(y, 10))
    assert found.accuracy(y) == pytest.approx(0.937674, abs=5e-7)
    assert found.relative == pytest.approx(0.0316, rel=1e-2)


def test_duplicates_in_a_group_do_not_raise_accuracy() -> None:
    rng = np.random.default_rng(2)
    features, y = rng.normal(size=(40, 60)), rng.integers(0, 2, 40)  # nothing to learn
    twice, groups = np.repeat(features, 2, axis=0), np.repeat(np.arange(40), 2)
    leaky = loo_ridge(basis(twice), one_hot(np.repeat(y, 2), 2), relative=[1e-3])
    grouped = loo_ridge(basis(twice), one_hot(np.repeat(y, 2), 2), groups=groups, relative=[1e-3])
    assert leaky.accuracy(np.repeat(y, 2)) == 1.0
    assert grouped.accuracy(np.repeat(y, 2)) < 0.75


def test_coefficients_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    for shape in [(30, 5), (10, 40)]:
        features, targets = rng.normal(size=shape), rng.normal(size=(shape[0], 2))
        weight, bias = coefficients(basis(features), targets, 0.7)
        reference = Ridge(alpha=0.7).fit(features, targets)
        np.testing.assert_allclose(weight, reference.coef_, atol=1e-9)
        np.testing.assert_allclose(bias, reference.intercept_, atol=1e-9)


def test_one_group_leaves_nothing_to_fit_on() -> None:
    with pytest.raises(DataError, match="fewer than two rows or groups"):
        loo_ridge(basis(np.eye(4)), np.arange(4.0), groups=np.zeros(4, int))


def test_constant_features_predict_the_mean_of_the_others() -> None:
    found = loo_ridge(basis(np.ones((4, 2))), np.array([0.0, 0, 0, 4]))
    np.testing.assert_allclose(found.predictions[:, 0], [4 / 3, 4 / 3, 4 / 3, 0])


def test_groups_come_in_blocks_of_equal_size() -> None:
    groups = np.array([7, 3, 7, 5, 3, 9, 3])
    blocks = [block.tolist() for block in group_blocks(groups, len(groups))]
    assert blocks == [[[3], [5]], [[0, 2]], [[1, 4, 6]]]
    assert [block.tolist() for block in group_blocks(None, 3)] == [[[0], [1], [2]]]


def test_a_group_that_explains_itself_does_not_divide_by_zero() -> None:
    free = np.array([[[0.5, 0.0], [0.0, 0.0]]])
    assert block_left_out(np.ones((1, 2, 1)), free).ravel().tolist() == [2.0, 1 / LEVERAGE_FLOOR]


def test_a_sketch_keeps_squared_errors() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 500, 300)
    x = rng.normal(size=(300, 20))
    x[:, :3] += 2 * (y[:, None] % [2, 3, 5])
    path = loo_ridge(basis(x), one_hot(y, 500)).path
    sketch = np.mean([loo_ridge(basis(x), sketched(one_hot(y, 500), seed=s)).path for s in range(20)], axis=0)
    np.testing.assert_allclose(sketch, path, rtol=0.05)
    few = rng.normal(size=(5, 3))
    assert sketched(few) is few
