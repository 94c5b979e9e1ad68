from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.measure.ridge import loo_ridge, one_hot
from headstart.measure.spectral import basis, standardise
from headstart.strategies.linear import _taps
from headstart.strategies.linear._ridge import silenced
from headstart.strategies.linear._taps import Blocks, Errors, Rules, better, choose, leave_one_out, profile


def problem(n: int, width: int, *, signal: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    x = rng.normal(size=(n, width))
    x[:, : min(3, width)] += signal * one_hot(y, 3)[:, : min(3, width)]
    return x, one_hot(y, 3)


def products(x: np.ndarray) -> Blocks:
    """One block, its rows taken as they are."""
    every = np.arange(len(x))
    return Blocks(every, every, {"x": x @ x.T}, {"x": x.shape[1]})


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(("n", "width"), [(40, 5), (30, 90)])
def test_equals_the_eigendecomposition(n: int, width: int, grouped: bool) -> None:
    x, y = problem(n, width)
    groups = np.random.default_rng(1).integers(n // 2, size=n) if grouped else None
    found = leave_one_out(products(x), ["x"], y, groups)
    centred = x - x.mean(axis=0)
    own = basis(x)
    unit = np.sum(centred**2) / n / own.s2.mean()
    expected = loo_ridge(own, y, groups=groups, relative=[found.relative * unit])
    assert np.abs(found.predictions - expected.predictions).max() < 1e-9
    assert np.abs(found.squared - expected.errors).max() < 1e-9


def test_equals_fitting_again_without_each_row() -> None:
    x, y = problem(15, 4)
    found = leave_one_out(products(x), ["x"], y, walk=False)
    penalty = found.relative * np.sum((x - x.mean(axis=0)) ** 2) / 15
    for row in range(15):
        rest = np.arange(15) != row
        mean, middle = x[rest].mean(axis=0), y[rest].mean(axis=0)
        a = x[rest] - mean
        weight = np.linalg.solve(a.T @ a + penalty * np.eye(4), a.T @ (y[rest] - middle))
        assert np.allclose(found.predictions[row], (x[row] - mean) @ weight + middle, atol=1e-10)


def test_what_was_tried_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = problem(30, 8)
    tried: dict[int, Errors] = {}
    usual = leave_one_out(products(x), ["x"], y, walk=False, tried=tried)
    assert tried == {_taps.FIRST: usual}
    original, count = Blocks.left_out, []
    monkeypatch.setattr(Blocks, "left_out", lambda *given: count.append(1) or original(*given))
    found = leave_one_out(products(x), ["x"], y, tried=tried)
    assert len(count) == len(tried) - 1 > 0
    assert np.array_equal(found.predictions, leave_one_out(products(x), ["x"], y).predictions)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 30), st.integers(1, 40))
def test_the_walk_ends_at_the_best_neighbour(seed: int, n: int, width: int) -> None:
    x, y = problem(n, width, seed=seed)
    found = leave_one_out(products(x), ["x"], y)
    place = _taps.RELATIVE.index(found.relative)
    original = _taps.FIRST
    try:
        for other in (place - 1, place + 1):
            if 0 <= other < len(_taps.RELATIVE):
                _taps.FIRST = other
                assert leave_one_out(products(x), ["x"], y, walk=False).mse >= found.mse
    finally:
        _taps.FIRST = original


def test_constant_features_predict_the_mean_of_the_others() -> None:
    _, y = problem(10, 2)
    found = leave_one_out(products(np.zeros((10, 1))), ["x"], y)
    for row in range(10):
        assert np.allclose(found.predictions[row], np.delete(y, row, axis=0).mean(axis=0))


class TestBlocks:
    def test_side_by_side_is_a_sum(self) -> None:
        (a, _), (b, _) = problem(20, 4), problem(20, 7, seed=1)
        blocks = Blocks.of({"a": a, "b": b}, np.arange(20))
        both = products(np.hstack([standardise(a)[0], standardise(b)[0]]))
        y = problem(20, 1)[1]
        assert np.allclose(blocks.left_out("ba", 3, y), both.left_out("x", 3, y), atol=1e-5)
        assert blocks.widths == {"a": 4, "b": 7}

    def test_part(self) -> None:
        a, _ = problem(6, 2)
        blocks = Blocks.of({"a": a}, np.array([3, 5, 8, 9, 11, 20]))
        part = blocks.among(np.array([20, 5, 4, 9]))
        assert part.rows.tolist() == [5, 9, 20]
        assert part.places.tolist() == [1, 3, 5]
        assert part.among(np.array([5, 20])).places.tolist() == [1, 5]

    def test_what_is_solved_serves_all_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        x, y = problem(30, 8)
        blocks = Blocks.of({"a": x, "b": x**2}, np.arange(30))
        some = blocks.among(np.arange(20)).left_out("ab", 3, y[:20])
        blocks.left_out("ba", 3, y)
        assert len(blocks.solved) == 1
        monkeypatch.setattr(_taps, "KEPT", 0)
        alone = Blocks.of({"a": x, "b": x**2}, np.arange(30))
        assert np.array_equal(alone.among(np.arange(20)).left_out("ab", 3, y[:20]), some)
        assert not alone.solved


class TestChoose:
    def blocks(self, **features: np.ndarray) -> Blocks:
        return Blocks.of(features, np.arange(len(next(iter(features.values())))))

    def test_the_usual_one_stays_unless_clearly_beaten(self) -> None:
        x, y = problem(60, 6)
        rng = np.random.default_rng(3)
        alike = self.blocks(first=x[:, ::-1], usual=x)
        assert choose(alike, y, usual="usual").names == ("usual",)
        assert choose(alike, y, usual="first").names == ("first",)
        poor = self.blocks(good=x, usual=rng.normal(size=(60, 6)))
        assert choose(poor, y, usual="usual").names == ("good",)

    def test_what_helps_is_added(self) -> None:
        rng = np.random.default_rng(0)
        y = rng.integers(2, size=(80, 2)).astype(float)
        one, other = y[:, :1] + rng.normal(0, 0.5, (80, 3)), y[:, 1:] + rng.normal(0, 0.5, (80, 3))
        chosen = choose(self.blocks(one=one, other=other, noise=rng.normal(size=(80, 40))), y, usual="one")
        assert set(chosen.names) == {"one", "other"}
        alone = profile(self.blocks(one=one, other=other), y)
        assert chosen.errors.mse < min(e.mse for e in alone.values())

    def test_limits(self) -> None:
        x, y = problem(60, 6, signal=2.0)
        rng = np.random.default_rng(0)
        many = self.blocks(**{f"b{i}": x + rng.normal(0, 2, x.shape) for i in range(6)})
        free = choose(many, y, usual="b0", rules=Rules(add=0.25))
        assert 2 < len(free.names) <= 6
        assert len(choose(many, y, usual="b0", rules=Rules(add=0.25, blocks=2)).names) == 2
        assert len(choose(many, y, usual="b0", rules=Rules(add=9.0)).names) == 1
        assert len(choose(many, y, usual="b0", rules=Rules(width=11)).names) == 1

    def test_nothing_to_choose_by(self) -> None:
        x, y = problem(8, 3)
        blocks = self.blocks(a=x, b=x * 2)
        assert choose(blocks.among(np.arange(2)), y[:2], usual="b").names == ("b",)
        assert choose(blocks, y, np.array([0] * 4 + [1] * 4), usual="a").names == ("a",)

    def test_of_few_rows_or_groups_the_usual_one_stays(self) -> None:
        x, y = problem(48, 6, signal=3.0)
        blocks = self.blocks(good=x, usual=np.random.default_rng(3).normal(size=(48, 6)))
        few = blocks.among(np.arange(Rules.fewest - 1))
        assert choose(few, y[: Rules.fewest - 1], usual="usual").names == ("usual",)
        assert choose(blocks, y, usual="usual").names == ("good",)
        groups = np.arange(48) // 4  # 12 of them
        assert choose(blocks, y, groups, usual="usual").names == ("usual",)

    def test_groups_are_left_out_together(self) -> None:
        """Twins make a memory look like knowledge; left out together they do not."""
        rng = np.random.default_rng(0)
        y = np.repeat(one_hot(rng.integers(2, size=30), 2), 2, axis=0)
        memory = np.repeat(rng.normal(size=(30, 200)), 2, axis=0)
        knowledge = y[:, :1] + rng.normal(0, 0.6, (60, 1))
        blocks = self.blocks(memory=memory, knowledge=knowledge)
        assert choose(blocks, y, usual="memory").names[0] == "memory"
        groups = np.repeat(np.arange(30), 2)
        assert choose(blocks, y, groups, usual="memory").names[0] == "knowledge"


def test_better_counts_groups_once() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.uniform(1, 2, 12), rng.uniform(0.8, 2, 12)

    def errors(squared: np.ndarray) -> Errors:
        return Errors(squared, np.zeros((len(squared), 1)), 1.0)

    fall = (old - new).mean() / ((old - new).std(ddof=1) / np.sqrt(12))
    groups = np.repeat(np.arange(12), 9)
    for gain in (0.9 * fall, 1.1 * fall):
        alone = better(errors(new), errors(old), gain)
        assert alone == (gain < fall)
        assert alone == better(errors(np.repeat(new, 9)), errors(np.repeat(old, 9)), gain, groups)


def test_silenced() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 6)).astype(np.float32)
    x[:, 2] = 0.0
    x[0, 2] = 0.01  # fires on one item, and hardly
    x[:, 4] = 7.0
    found = silenced(x)
    assert (found[:, 2] == 0).all()
    assert np.array_equal(np.delete(found, 2, axis=1), np.delete(x, 2, axis=1))
    assert found.dtype == np.float32
    assert silenced(x[:, [0, 1]]) is not None
    assert np.array_equal(silenced(np.ones((3, 2))), np.ones((3, 2)))
