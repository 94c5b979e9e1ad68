from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.core.budget import Budget
from headstart.train.average import decay_for
from headstart.train.choice import Choice
from headstart.train.loop import Watch
from headstart.train.recipe import Recipe
from train import toy


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    mine, theirs = a.state_dict(), b.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def by_hand(model: toy.Net, recipe: Recipe) -> toy.Net:
    """The same training written out with nothing but torch."""
    data = toy.batches(size=20)
    vectors = [p for p in model.parameters() if p.ndim == 1]
    matrices = [p for p in model.parameters() if p.ndim > 1]
    head = {id(p) for p in model.head.parameters()}
    optimizer = torch.optim.SGD(
        [{"params": [p], "weight_decay": recipe.weight_decay * (p.ndim > 1)} for p in vectors + matrices],
        lr=1.0,
        momentum=0.9,
        nesterov=True,
    )
    decay = decay_for(recipe.steps)
    mean = copy.deepcopy(model.state_dict())
    model.train()
    warm = math.ceil(recipe.steps / 10)
    for step in range(recipe.steps):
        up = (step + 1) / warm
        down = (1 + math.cos(math.pi * (step - warm) / (recipe.steps - warm))) / 2
        for group in optimizer.param_groups:
            boost = 10 if id(group["params"][0]) in head and step < warm else 1
            group["lr"] = recipe.lr * boost * (up if step < warm else down)
        batch = data.read(step)
        optimizer.zero_grad()
        toy.loss(model(batch.inputs), batch.targets).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        for name, now in model.state_dict().items():
            mean[name] = decay * mean[name] + (1 - decay) * now if now.is_floating_point() else now.clone()
    model.load_state_dict(mean)
    model.requires_grad_(False)
    inputs = torch.cat([data.read(step).inputs for step in range(data.per_epoch)])
    hidden = model.body[0](inputs)
    model.body[1].running_mean.copy_(hidden.mean(0))  # batches of equal size: mean of their means
    parts = [model.body[0](data.read(step).inputs).var(0) for step in range(data.per_epoch)]
    model.body[1].running_var.copy_(torch.stack(parts).mean(0))
    return model.eval()


def test_equals_a_loop_written_by_hand() -> None:
    recipe = Recipe(steps=40, lr=0.05, weight_decay=0.01)
    ours, theirs = toy.net(), by_hand(toy.net(), recipe)
    toy.run(ours, recipe, toy.batches(size=20))
    for name, value in ours.state_dict().items():
        if name == "body.1.num_batches_tracked":
            continue  # the statistics are counted anew at the end
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 0.05), ("adamw", 0.01)])
def test_learns(optimizer: str, lr: float) -> None:
    model = toy.net()
    outcome = toy.run(model, Recipe(steps=60, lr=lr, optimizer=optimizer))
    x, y = toy.arrays()
    assert outcome.status == "done"
    assert outcome.losses[-1] < outcome.losses[0]
    assert not model.training
    assert float((model(torch.from_numpy(x)).argmax(1).numpy() == y).mean()) > 0.9


def test_same_seed_same_weights_and_global_generator_untouched() -> None:
    recipe = Recipe(steps=12, lr=0.05)
    first, second, other = toy.net(dropout=0.3), toy.net(dropout=0.3), toy.net(dropout=0.3)
    before = torch.get_rng_state()
    toy.run(first, recipe)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(5)
    toy.run(second, recipe)
    toy.run(other, Recipe(steps=12, lr=0.05, seed=1))
    assert same(first, second)
    assert not same(first, other)


class Clock:
    """A clock that moves one second each time it is read."""

    def __init__(self, step: float = 1.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("seconds", [9.0, 40.0])
def test_stopped_and_continued_is_bit_for_bit_the_same(
    tmp_path: Path, optimizer: str, seconds: float
) -> None:
    recipe = Recipe(steps=30, lr=0.02, optimizer=optimizer)
    whole = toy.net(dropout=0.3)
    toy.run(whole, recipe)
    path = tmp_path / "state.ckpt"
    stops = 0
    for _ in range(100):
        part = toy.net(seed=stops, dropout=0.3)  # its weights do not matter once there is a checkpoint
        if stops == 0:
            part = toy.net(dropout=0.3)
        outcome = toy.run(part, recipe, watch=Watch(Budget(seconds, Clock()), path))
        if outcome.status == "done":
            break
        stops += 1
    assert stops >= 1
    assert outcome.steps == 30
    assert same(whole, part)
    assert not path.exists()


def test_in_parts_stopped_and_continued_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    recipe, data, path = Recipe(steps=30, lr=0.02), toy.batches(size=8), tmp_path / "state.ckpt"
    choice = Choice("channels-last", parts=2)
    whole, plain, part = toy.net(), toy.net(), toy.net()
    toy.run(whole, recipe, data, choice=choice)
    toy.run(plain, recipe, data)
    assert toy.run(part, recipe, data, Watch(Budget(20.0, Clock()), path), choice=choice).steps < 30
    part = toy.net(seed=5)
    assert toy.run(part, recipe, data, Watch(path=path), choice=choice).status == "done"
    assert same(whole, part)
    assert all(
        torch.allclose(a, b, atol=1e-5) for a, b in zip(whole.parameters(), plain.parameters(), strict=True)
    )
    assert not same(whole, plain)  # sums are put together otherwise


def test_checkpoint_of_another_training_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "state.ckpt"
    toy.run(toy.net(), Recipe(steps=30, lr=0.02), watch=Watch(Budget(9.0, Clock()), path))
    assert path.exists()
    recipe, fresh, continued = Recipe(steps=30, lr=0.03), toy.net(), toy.net()
    toy.run(fresh, recipe)
    toy.run(continued, recipe, watch=Watch(path=path))
    assert same(fresh, continued)


def test_loss_that_is_not_finite_is_reported() -> None:
    x, _ = toy.arrays()
    x[5] = np.inf
    outcome = toy.run(toy.net(), Recipe(steps=30, lr=0.02), toy.batches(views=[x]))
    assert outcome.status == "diverged"
    assert outcome.steps < 8


def test_stops_early_and_keeps_the_best_epoch() -> None:
    scores = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    seen: list[dict[str, torch.Tensor]] = []

    def validation(model: torch.nn.Module) -> float:
        assert not model.training
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return next(scores)

    model = toy.net()
    outcome = toy.run(model, Recipe(steps=80, lr=0.02), validation=validation)
    assert (outcome.status, len(seen)) == (
        "done",
        5,
    )  # the best was the second; three more without a better one
    assert all(torch.equal(model.state_dict()[k], v) for k, v in seen[1].items())


def test_small_batches_leave_statistics_alone() -> None:
    frozen, moving = toy.net(), toy.net()
    start = frozen.body[1].running_mean.clone()
    toy.run(frozen, Recipe(steps=10, lr=0.02), toy.batches(size=8))
    toy.run(moving, Recipe(steps=10, lr=0.02), toy.batches(size=24))
    assert torch.equal(frozen.body[1].running_mean, start)
    assert not torch.equal(moving.body[1].running_mean, start)


def test_quiet_and_leaves_no_files(tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    toy.run(toy.net(), Recipe(steps=3, lr=0.02))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
