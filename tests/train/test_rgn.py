"""Learning rates by stage: the norm of a stage's gradient over that of its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headstart import strategies
from headstart.core.strategy import Request, Settings
from headstart.errors import BadOption
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes
from headstart.testing.strategy import check_nested, numbers
from headstart.train.batches import Batches
from headstart.train.groups import parameter_groups
from headstart.train.recipe import Recipe
from headstart.train.rgn import BATCHES, relative_gradient_norms


def squared(z: Tensor, targets: Tensor) -> Tensor:
    return (z - targets).square().sum(dim=1)


def test_it_is_the_norm_of_the_gradient_over_that_of_the_weights() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    first, last = net[0], net[2]
    depths = {id(p): 0 for p in first.parameters()} | {id(p): 1 for p in last.parameters()}
    x, y = np.random.default_rng(0).normal(size=(2, 200, 3)).astype(np.float32)
    batches = Batches([x], np.arange(200), y[:, :2].copy(), 10)
    found = relative_gradient_norms(net, batches, squared, depths)
    assert all(p.grad is None or not p.grad.any() for p in net.parameters())
    assert found == relative_gradient_norms(net, batches, squared, depths), "no dropout"

    rows = np.concatenate([batches.read(step).rows for step in range(BATCHES)])
    a, b = (first.weight.detach(), first.bias.detach()), (last.weight.detach(), last.bias.detach())
    inputs, wanted = torch.from_numpy(x[rows]), torch.from_numpy(y[rows, :2])
    hidden = inputs @ a[0].T + a[1]
    off = 2 * (hidden @ b[0].T + b[1] - wanted)  # the gradient of the loss by z, written out
    of = [
        [(off @ b[0]).T @ inputs, (off @ b[0]).sum(dim=0)],
        [off.T @ hidden, off.sum(dim=0)],
    ]
    norm = lambda some: float(sum(t.square().sum() for t in some)) ** 0.5  # noqa: E731
    ratios = [norm(gradients) / norm(weights) for gradients, weights in zip(of, (a, b), strict=True)]
    assert found == pytest.approx({k: ratio / max(ratios) for k, ratio in enumerate(ratios)}, rel=1e-4)

    groups = parameter_groups(first, last, Recipe(1, 0.1, layer_decay=0.5), depths, {0: 0.25})
    assert {group["scale"] for group in groups if not group["head"]} == {0.25}


def request(**settings: Any) -> Request:
    dataset = shapes(per_class=8)
    assert dataset.task is not None
    split = folds(dataset, parts=3, repeats=1)
    asked = Settings(epochs=2, views=1, lr=0.02, freeze="none", **settings)
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset), TinyBackbone(), settings=asked)


def test_fine_tuning_takes_them_where_it_is_asked_to() -> None:
    plain, asked = (
        strategies.get("finetune").fit(request(**more)) for more in ({}, {"layer_rates": "auto-rgn"})
    )
    assert "layer_rates" not in plain.choices
    assert asked.choices["layer_rates"] == "auto-rgn"
    assert not np.array_equal(numbers(plain), numbers(asked))
    check_nested(strategies.get("finetune"), request(layer_rates="auto-rgn"), asked)


def test_other_rates_are_refused_and_what_is_not_set_is_not_written_down() -> None:
    with pytest.raises(BadOption, match="auto-rgn"):
        strategies.check(Settings(layer_rates="rgn"), "image", list)
    assert "layer_rates" not in Settings().to_json(), "what earlier versions kept is found by it"
    assert replace(Settings(), layer_rates="auto-rgn").to_json()["layer_rates"] == "auto-rgn"
