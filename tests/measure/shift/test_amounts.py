"""How much of each class there is in the target, where items show several."""

from __future__ import annotations

import numpy as np

from headstart.measure.shift.amounts import amounts


def drawn(mean: tuple[float, ...], n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What is there, and what a model says that misses a third."""
    rng = np.random.default_rng(seed)
    there = rng.poisson(mean, (n, len(mean)))
    return there, rng.binomial(there, 2 / 3)


def test_what_the_model_misses_is_allowed_for() -> None:
    true_s, said_s = drawn((6, 2), 300, 0)
    true_t, said_t = drawn((3, 2), 300, 1)
    found = amounts(true_s, said_s, said_t)
    there = true_t.mean(axis=0)
    assert ((found.low <= there) & (there <= found.high)).all()
    assert abs(found.estimate - there).max() < 0.35 < (there - found.said).min()
    assert found.moved.tolist() == [True, False]
    assert found.told(("cell", "dust"), counted=True).startswith("there is an estimated 3.")
    assert "cell an image instead of" in found.told(("cell", "dust"), counted=True)


def test_equal_domains_have_not_moved() -> None:
    moved = [
        amounts(*drawn((6, 2), 80, seed), drawn((6, 2), 80, 100 + seed)[1]).moved.any() for seed in range(30)
    ]
    assert np.mean(moved) <= 0.1


def test_a_class_that_is_never_said_of_the_source() -> None:
    true_s, said_s = drawn((6, 2), 50, 0)
    said_s[:, 1] = 0
    found = amounts(true_s, said_s, drawn((6, 2), 50, 1)[1])
    assert np.isfinite([found.estimate, found.low, found.high]).all()
