"""Two domains in the plane: each way brings them together, leaves equal ones alone, and can be interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headstart.core.budget import Budget
from headstart.core.registry import found_at
from headstart.strategies import adapt
from headstart.strategies.adapt.deep import _training
from headstart.strategies.adapt.deep._training import Course, Pair
from headstart.train.loop import Watch
from headstart.train.recipe import Recipe

DEEP = list(adapt.DEEP)
N, CLASSES, STEPS = 96, 3, 60
CENTRES = np.array([[3.0, 0.0], [-1.5, 2.6], [-1.5, -2.6]])


UNWATCHED = Watch()


class Net(nn.Module):
    """What of a `Trainee` a training uses, on points of the plane."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 8), nn.ReLU())
        self.head = nn.Linear(8, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        found: Tensor = self.body(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.head(self.features(x))
        return z


def points(turn: float, seed: int, shares: tuple[float, ...] = (1, 1, 1)) -> tuple[np.ndarray, np.ndarray]:
    """(float32 `[N, 2]`, int64 `[N]`): three blobs, turned by so many degrees."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(CLASSES), np.round(N * np.array(shares) / sum(shares)).astype(int))
    a = np.deg2rad(turn)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    x = (CENTRES[y] + 0.5 * rng.normal(size=(len(y), 2))) @ matrix.T
    return x.astype(np.float32), y.astype(np.int64)


def source_net(xs: np.ndarray, ys: np.ndarray) -> Net:
    """Trained on the source alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.from_numpy(xs)), torch.from_numpy(ys)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return net


def course(
    name: str, turn: float, watch: Watch = UNWATCHED, steps: int = STEPS, **pair: Any
) -> tuple[Course, np.ndarray, np.ndarray]:
    """(training, target, its labels)."""
    xs, ys = points(0, 0)
    xt, yt = points(turn, 1)
    net = source_net(xs, ys)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        way = found_at(adapt.facts(name).where)().way(8, CLASSES, len(xt), net.head)
    given: dict[str, Any] = {
        "views": [np.concatenate([xs, xt])],
        "source": np.arange(len(xs)),
        "y": ys,
        "target": len(xs) + np.arange(len(xt)),
        "size": 32,
        "unvaried": Tensor.float,
        "vary": None,
        "shares": lambda _, heft: heft,
        "start": np.full(CLASSES, 1 / CLASSES),
        **pair,
    }
    recipe = Recipe(steps=steps, lr=0.02, head_lr=0.02, weight_decay=0.0)
    each = lambda z, y: nn.functional.cross_entropy(z, y, reduction="none")  # noqa: E731
    return Course(net, way, Pair(**given), recipe, watch, each, False), xt, yt  # type: ignore[arg-type]


def accuracies(made: Course, states: list[dict[str, Tensor]], x: np.ndarray, y: np.ndarray) -> list[float]:
    found = []
    for state in states:
        made.net.load_state_dict(state)
        with torch.inference_mode():
            found.append(float((made.net(torch.from_numpy(x)).argmax(1).numpy() == y).mean()))
    return found


@pytest.mark.parametrize("name", DEEP)
def test_a_turned_domain_is_brought_back(name: str) -> None:
    made, x, y = course(name, 40, steps=120)
    outcome, states = made.run()
    found = accuracies(made, states, x, y)
    assert outcome.status == "done"
    assert len(found) == 1 + _training.OFFERED
    assert found[0] < 0.95, found
    assert found[-1] >= found[0] + 0.4 * (1 - found[0]), found


@pytest.mark.parametrize("name", DEEP)
def test_equal_domains_stay_as_they_are(name: str) -> None:
    made, x, y = course(name, 0, steps=40)
    found = accuracies(made, made.run()[1], x, y)
    assert found[-1] >= found[0] - 0.02, found


class Clock:
    """A second for each look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.parametrize(
    "name", ["mcc", "shot", "cdan"]
)  # nothing, labels, and layers with draws of their own
def test_interrupted_and_continued_it_ends_the_same(name: str, tmp_path: Path) -> None:
    made, *_ = course(name, 30)
    whole = made.run()[1]
    watch = Watch(Budget(seconds=50, clock=Clock()), tmp_path / "one.ckpt", "it")
    cut, *_ = course(name, 30, watch)
    outcome, offered = cut.run()
    assert outcome.status == "out of time"
    assert 1 < outcome.steps < STEPS
    assert 1 <= len(offered) < len(whole)
    assert all(
        torch.equal(a, b) for a, b in zip(offered[-1].values(), whole[len(offered) - 1].values(), strict=True)
    )
    rest, *_ = course(name, 30, replace(watch, budget=Budget()))
    outcome, resumed = rest.run()
    assert outcome.steps == STEPS
    assert len(resumed) == len(whole)
    for one, other in zip(resumed, whole, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert not (tmp_path / "one.ckpt").exists()


def test_the_source_is_balanced_and_the_head_reweighted_to_the_shares_found() -> None:
    asked = np.array([0.6, 0.3, 0.1])
    seen: list[np.ndarray] = []

    def shares(z: np.ndarray, heft: np.ndarray) -> np.ndarray:
        assert z.shape == (N, CLASSES)
        seen.append(heft)
        return asked

    made, *_ = course("mcc", 0, shares=shares)
    plain, *_ = course("mcc", 0)
    first, last = made.run()[1][1:], seen[-1]
    assert np.allclose(seen[0], 1 / CLASSES)
    assert np.allclose(last, asked, atol=1e-6)
    moved = first[0]["head.bias"] - plain.run()[1][1]["head.bias"]  # the training is still the same there
    assert np.allclose(moved.numpy(), np.log(asked * CLASSES), atol=1e-5)


def test_items_of_a_class_are_all_seen_before_one_is_seen_again() -> None:
    y = np.array([0] * 10 + [1] * 5 + [2] * 5)
    same = _training.places(y, np.array([0.5, 0.25, 0.25]), 20, seed=0, epoch=3)
    assert sorted(same) == list(range(20))
    skewed = _training.places(y, np.array([0.1, 0.65, 0.25]), 20, seed=0, epoch=3)
    assert np.bincount(y[skewed]).tolist() == [2, 13, 5]
    assert set(np.bincount(skewed[y[skewed] == 1], minlength=15)[10:15]) == {2, 3}
    assert not np.array_equal(skewed, _training.places(y, np.array([0.1, 0.65, 0.25]), 20, seed=0, epoch=4))
    absent = _training.places(y, np.array([0.4, 0.4, 0.1, 0.1]), 9, seed=0, epoch=0)
    assert np.bincount(y[absent]).tolist() == [4, 4, 1]


def test_the_schedules_are_the_papers() -> None:
    assert _training.rate(0) == 1
    assert _training.rate(1) == pytest.approx(11**-0.75)
    assert _training.ramp(0) == 0
    assert _training.ramp(1) == pytest.approx(np.tanh(5))


def test_source_free_means_that_no_source_item_is_read_and_the_head_stays() -> None:
    class Guarded:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            assert np.min(rows) >= N, "an item of the source is read"
            return self.array[rows]

    made, *_ = course("shot", 30)
    made = replace(made, pair=replace(made.pair, views=[Guarded(made.pair.views[0])]))  # type: ignore[list-item,arg-type]
    states = made.run()[1]
    assert torch.equal(states[0]["head.weight"], states[-1]["head.weight"])
    assert not torch.equal(states[0]["body.0.weight"], states[-1]["body.0.weight"])


def test_a_training_that_diverges_offers_what_was_good() -> None:
    made, *_ = course("mcc", 30)
    made = replace(made, loss=lambda z, y: z.sum(1) * float("nan") + y)
    outcome, states = made.run()
    assert outcome.status == "diverged"
    assert len(states) == 1
