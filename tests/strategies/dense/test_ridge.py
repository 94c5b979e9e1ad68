"""The closed form of places, against scikit-learn."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates
from sklearn.linear_model import Ridge

from headstart.strategies.dense import _ridge
from headstart.strategies.dense.baselines import picked


def images(n: int = 6, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    classes = [rng.integers(0, 3, 200).astype(np.uint8) for _ in range(n)]
    x = [np.eye(8)[c] * 2 + rng.normal(size=(200, 8)) + 5 for c in classes]
    return [one.astype(np.float32) for one in x], classes


def test_it_is_weighted_ridge_regression() -> None:
    x, classes = images()
    found = _ridge.fit(x, classes, 3, penalty=0.1)
    rows, labels = np.concatenate(x).astype(float), np.concatenate(classes)
    weights = np.bincount(labels)[labels] ** -0.25
    weights *= len(labels) / weights.sum()
    mean = np.average(rows, axis=0, weights=weights)
    sd = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights))
    model = Ridge(alpha=0.1 * weights.sum()).fit((rows - mean) / sd, np.eye(3)[labels], weights)
    np.testing.assert_allclose(found.weight, model.coef_ / sd, atol=1e-4)
    np.testing.assert_allclose(
        rows @ found.weight.T + found.bias, model.predict((rows - mean) / sd), atol=1e-3
    )


def test_errors_come_from_sums_alone() -> None:
    x, classes = images()
    weights = np.array([1.0, 2.0, 0.5])
    fitted = _ridge.fit(x[:3], classes[:3], 3, penalty=0.01)
    labels = np.concatenate(classes[3:])
    each = weights[labels].astype(np.float32)
    sums = _ridge.Sums.of(np.concatenate(x[3:]), np.eye(3, dtype=np.float32)[labels], each)
    off = np.concatenate(x[3:]) @ fitted.weight.T + fitted.bias - np.eye(3)[labels]
    np.testing.assert_allclose(_ridge.error(fitted, sums), (weights[labels] * (off**2).sum(axis=1)).sum(), rtol=1e-4)  # fmt: skip


def test_the_error_is_that_of_images_left_out() -> None:
    x, classes = images(5)
    wanted = [np.eye(3, dtype=np.float32)[one] for one in classes]
    ones = [np.ones(len(one), np.float32) for one in classes]
    found = _ridge.solved(x, wanted, ones)
    errors = []
    for left in range(5):
        kept = [number for number in range(5) if number != left]
        model = _ridge.solved(*([one[number] for number in kept] for one in (x, wanted, ones)), found.penalty)
        errors.append(((x[left] @ model.weight.T + model.bias - wanted[left]) ** 2).sum(axis=1).mean())
    assert abs(found.error - np.mean(errors)) < 1e-4 * np.mean(errors)


def test_noise_is_penalised_and_a_class_that_is_not_there_never_said() -> None:
    x, classes = images()
    clear = _ridge.fit(x, classes, 4).penalty
    noise = np.random.default_rng(1)
    wild = [noise.normal(size=(30, 100)).astype(np.float32) for _ in classes]
    found = _ridge.fit(wild, [c[:30] for c in classes], 4)
    assert found.penalty > clear
    assert (np.concatenate(wild) @ found.weight.T + found.bias).argmax(axis=1).max() < 3


def test_places_are_drawn_by_the_root_of_the_sizes_and_read_between_cells() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[:2, :3], mask[:, 29] = 1, 255
    points = _ridge.draw(mask, 4000, np.random.default_rng(0))
    assert np.bincount(points.classes).tolist() == [58, 5]
    at = np.floor(points.at * [20, 30]).astype(int)
    assert (mask[at[:, 0], at[:, 1]] == points.classes).all()
    ramp = np.stack([np.broadcast_to((np.arange(10) + 0.5)[:, None] / 10, (10, 15)),
                     np.broadcast_to((np.arange(15) + 0.5) / 15, (10, 15))]).astype(np.float32)  # fmt: skip
    inside = points.at[(points.at > 0.05).all(axis=1) & (points.at < 0.95).all(axis=1)]
    np.testing.assert_allclose(picked(ramp, inside), inside, atol=2e-3)
    noise, edge = (
        np.random.default_rng(0).normal(size=(3, 7, 5)),
        np.array([[0, 0], [0.99, 0.01], [1, 1], [0.5, 0.97]]),
    )
    within = np.clip(edge * [7, 5] - 0.5, 0, [6, 4]).T
    wanted = np.stack([map_coordinates(one, within, order=1) for one in noise], axis=1)
    np.testing.assert_allclose(picked(noise, edge.astype(np.float32)), wanted, atol=2e-3)
