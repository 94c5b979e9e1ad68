"""The smaller parts of the training room."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from headstart.errors import BadOption, FrozenChanged
from headstart.train import checkpoint, draws
from headstart.train.average import Average, decay_for, load_state
from headstart.train.batches import in_order
from headstart.train.freeze import FrozenPart, set_train_mode
from headstart.train.groups import make_optimizer, parameter_groups, set_rates
from headstart.train.recipe import Recipe, head_rate, rate, warm_steps
from train import toy


class TestSchedule:
    def test_values(self) -> None:
        assert [rate(step, 100) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
        assert rate(10, 100) == pytest.approx(1.0)
        assert rate(55, 100) == pytest.approx(0.5)
        assert 0 < rate(99, 100) < 0.001
        assert [head_rate(step, 100) for step in (0, 9, 10)] == pytest.approx([1.0, 10.0, 1.0])

    @given(st.integers(1, 3000))
    @settings(deadline=None)
    def test_rises_then_falls_and_stays_positive(self, steps: int) -> None:
        values = [rate(step, steps) for step in range(steps)]
        turns = max(0, warm_steps(steps) - 1)
        assert values == sorted(values[:turns]) + sorted(values[turns:], reverse=True)
        assert min(values) > 0
        assert max(values) == 1.0


class TestDraws:
    @given(st.integers(0, 2**31), st.integers(0, 10_000))
    @settings(max_examples=20, deadline=None)
    def test_a_row_draws_the_same_in_any_company(self, seed: int, epoch: int) -> None:
        rows = np.arange(50)
        all_at_once = draws.uniforms(seed, epoch, rows, 3)
        shuffled = np.random.default_rng(0).permutation(rows)
        assert np.array_equal(draws.uniforms(seed, epoch, shuffled, 3), all_at_once[shuffled])
        assert np.array_equal(np.sort(draws.order(seed, epoch, 50)), rows)

    def test_uniform_and_independent(self) -> None:
        values = draws.uniforms(0, 1, np.arange(20_000), 2)
        assert (values >= 0).all()
        assert (values < 1).all()
        counts = np.histogram(values[:, 0], bins=20, range=(0, 1))[0]
        assert ((counts - 1000) ** 2 / 1000).sum() < 45  # chi-square, 19 degrees of freedom: p about 0.0007
        next_epoch = draws.uniforms(0, 2, np.arange(20_000), 1)[:, 0]
        for other in (values[:, 1], np.roll(values[:, 0], 1), next_epoch):
            assert abs(np.corrcoef(values[:, 0], other)[0, 1]) < 0.03

    def test_choices_are_even(self) -> None:
        counts = np.bincount(draws.choose(5, 0, np.arange(9000), 3), minlength=3)
        assert counts.sum() == 9000
        assert abs(counts - 3000).max() < 200


class TestBatches:
    @given(st.integers(1, 200), st.integers(1, 64))
    @settings(max_examples=25, deadline=None)
    def test_each_epoch_shows_every_row_once(self, n: int, size: int) -> None:
        x, y = np.arange(2 * n, dtype=np.float32)[:, None], np.arange(n)
        data = toy.batches(size, views=[x], rows=np.arange(n) * 2, targets=y)
        for epoch in range(2):
            got = [data.read(epoch * data.per_epoch + i) for i in range(data.per_epoch)]
            rows = np.concatenate([batch.rows for batch in got])
            assert np.array_equal(np.sort(rows), np.arange(n) * 2)
            sizes = [len(batch.rows) for batch in got]
            assert max(sizes) - min(sizes) <= 1
            assert min(sizes) == data.smallest
            assert max(sizes) < 2 * size + 1
            for batch in got:
                assert np.array_equal(batch.inputs[:, 0].numpy(), batch.rows)
                assert np.array_equal(batch.targets.numpy() * 2, batch.rows)

    def test_views_vary_over_epochs_and_all_are_used(self) -> None:
        x, _ = toy.arrays()
        data = toy.batches(views=[x * 0, x * 0 + 1, x * 0 + 2])
        seen = np.zeros((12, toy.N))
        for step, batch in data.walk(0, 12 * data.per_epoch):
            seen[step // data.per_epoch, batch.rows] = batch.inputs[:, 0].numpy()
        assert set(np.unique(seen)) == {0, 1, 2}
        assert (seen.std(0) > 0).mean() > 0.95

    def test_walk_can_start_anywhere_and_stop_anywhere(self) -> None:
        data = toy.batches()
        whole = dict(data.walk(0, 20))
        part = dict(data.walk(7, 11))
        assert list(part) == [7, 8, 9, 10]
        for step, batch in part.items():
            assert np.array_equal(batch.rows, whole[step].rows)
        walk = data.walk(0, 20)
        next(walk)
        walk.close()

    def test_in_order(self) -> None:
        x, _ = toy.arrays()
        rows = np.array([5, 3, 9, 80, 1])
        got = np.concatenate([inputs.numpy() for _, inputs in in_order(x, rows, 2)])
        assert np.array_equal(got, x[rows])


class TestGroups:
    def test_each_parameter_once_no_decay_on_vectors_deeper_is_faster(self) -> None:
        model = toy.net()
        depths = {
            id(p): depth
            for depth, module in ((0, model.body[0]), (2, model.body[1]))
            for p in module.parameters()
        }
        recipe = Recipe(steps=10, lr=0.1, weight_decay=0.05, layer_decay=0.5)
        groups = parameter_groups(model.body, model.head, recipe, depths)
        members = [p for group in groups for p in group["params"]]
        assert len(members) == len({id(p) for p in members}) == len(list(model.parameters()))
        for group in groups:
            for p in group["params"]:
                assert group["weight_decay"] == (0.05 if p.ndim > 1 else 0.0)
                assert group["head"] == any(p is q for q in model.head.parameters())
                assert group["scale"] == (1.0 if group["head"] else 0.5 ** (2 - depths[id(p)]))

    def test_rates_by_step(self) -> None:
        model, recipe = toy.net(), Recipe(steps=100, lr=0.1)
        optimizer = make_optimizer(parameter_groups(model.body, model.head, recipe), recipe)
        set_rates(optimizer, recipe, 9)
        assert {(g["head"], round(g["lr"], 9)) for g in optimizer.param_groups} == {(True, 1.0), (False, 0.1)}
        own = Recipe(steps=100, lr=0.1, head_lr=0.3)
        set_rates(optimizer, own, 9)
        assert {(g["head"], round(g["lr"], 9)) for g in optimizer.param_groups} == {(True, 0.3), (False, 0.1)}

    def test_unknown_optimizer(self) -> None:
        model, recipe = toy.net(), Recipe(steps=1, lr=0.1, optimizer="lion")
        with pytest.raises(BadOption, match="sgd or adamw"):
            make_optimizer(parameter_groups(model.body, model.head, recipe), recipe)


class TestAverage:
    def test_is_the_weighted_sum(self) -> None:
        module = nn.Linear(1, 1, bias=False)
        module.weight.data.fill_(0.0)
        average = Average(module, 0.75)
        for value in (4.0, 8.0):
            module.weight.data.fill_(value)
            average.update(module)
        assert average.tensors["weight"].item() == pytest.approx(0.75 * 1.0 + 0.25 * 8.0)
        with average.applied(module):
            assert module.weight.item() == pytest.approx(2.75)
        assert module.weight.item() == 8.0

    def test_decay(self) -> None:
        assert decay_for(5) == 0.0
        assert decay_for(100) == pytest.approx(0.9)
        assert decay_for(10**6) == 0.999


class TestCheckpoint:
    def test_round_trip(self, tmp_path: Path) -> None:
        tree = {
            "a": torch.arange(6.0).reshape(2, 3),
            "b": [1, 2.5, None, True, "x", {"c": torch.tensor(7, dtype=torch.int64)}],
            "state": {0: {"momentum": torch.zeros(0)}, 1: {}},
            "odd": [math.inf, 0.1 + 0.2],
            "view": torch.arange(4.0).reshape(2, 2).T,
        }
        checkpoint.save(tmp_path / "c", tree, about="me")
        back = checkpoint.load(tmp_path / "c", about="me")
        assert torch.equal(back["a"], tree["a"])
        assert torch.equal(back["view"], tree["view"])
        assert back["b"][:5] == tree["b"][:5]
        assert back["b"][5]["c"].dtype == torch.int64
        assert list(back["state"]) == [0, 1]
        assert back["odd"] == tree["odd"]

    def test_other_damaged_and_missing_files_are_none(self, tmp_path: Path) -> None:
        path = tmp_path / "c"
        assert checkpoint.load(path, about="me") is None
        checkpoint.save(path, {"a": torch.ones(3)}, about="me")
        assert checkpoint.load(path, about="you") is None
        path.write_bytes(path.read_bytes()[:-4])
        assert checkpoint.load(path, about="me") is None
        path.write_bytes(b"")
        assert checkpoint.load(path, about="me") is None


class TestFreeze:
    def test_sees_weights_and_statistics(self) -> None:
        model = toy.net()
        part = FrozenPart.of(model, model.head)
        part.verify()
        assert {p.requires_grad for p in model.body.parameters()} == {False}
        assert {p.requires_grad for p in model.head.parameters()} == {True}
        model.head.weight.data += 1
        part.verify()
        model.body[1].running_mean += 1e-7
        with pytest.raises(FrozenChanged):
            part.verify()

    def test_a_zero_may_lose_its_sign(self) -> None:
        """Averaging frozen weights makes 0.0 of -0.0, which weights from half precision often are."""
        model = toy.net()
        model.body[0].weight.data[:] = -0.0
        part = FrozenPart.of(model, model.head)
        average = Average(model, 0.5)
        average.update(model)
        load_state(model, average.tensors)
        part.verify()

    def test_batchnorm_mode(self) -> None:
        model = toy.net()
        set_train_mode(model, statistics=False)
        assert model.training
        assert not model.body[1].training
        set_train_mode(model, statistics=True)
        assert model.body[1].training
