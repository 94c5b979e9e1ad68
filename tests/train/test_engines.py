"""Engines of a training: their gradients are those of the network as it is, however a batch is divided."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.train.choice import SURE, Choice, agreement
from headstart.train.engines import EAGER, ENGINES

SUITED = [name for name, engine in ENGINES.items() if engine.suits]


def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)
        )
    made[1].eval()
    made[0].bias.requires_grad_(False)
    return made


def batch(items: int = 7) -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(1)
    return torch.randn(items, 3, 6, 6, generator=made), torch.arange(items) % 4


def loss(z: Tensor, targets: Tensor) -> Tensor:
    assert z.dtype == torch.float32
    return functional.cross_entropy(z, targets, reduction="none")


def step(choice: Choice, inputs: Tensor, targets: Tensor) -> tuple[float, list[Tensor]]:
    """The loss, and the gradient of each parameter that is trained."""
    model = net()
    with ExitStack() as stack:
        lost = choice.gradients(model, loss, Tensor.backward, stack)(inputs, targets)
    assert model[0].bias.grad is None
    assert model[0].weight.is_contiguous()
    return lost, [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", SUITED)
def test_agrees_with_the_network_as_it_is(name: str, parts: int) -> None:
    expected, found = (step(choice, *batch()) for choice in (Choice(), Choice(name, parts)))
    assert len(found[1]) == 5
    if ENGINES[name].half:
        vectors = [(lost, [grad.double().flatten() for grad in grads]) for lost, grads in (expected, found)]
        problem, lowest = agreement(*vectors)
        assert not problem
        assert SURE < lowest < 1  # it is another precision
    else:
        assert found[0] == pytest.approx(expected[0])
        for one, other in zip(expected[1], found[1], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_divided_gives_the_same_bits_again_and_leaves_the_threads() -> None:
    threads = torch.get_num_threads()
    first, second = (step(Choice(EAGER, 3), *batch()) for _ in range(2))
    assert first[0] == second[0]
    assert all(map(torch.equal, first[1], second[1]))
    assert torch.get_num_threads() == threads


def test_fewer_items_than_parts() -> None:
    expected, found = (step(choice, *batch(2)) for choice in (Choice(), Choice(EAGER, 3)))
    for one, other in zip(expected[1], found[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_loss_that_is_not_finite_leaves_no_gradients(parts: int) -> None:
    inputs, targets = batch()
    inputs[4] = torch.inf
    lost, grads = step(Choice(EAGER, parts), inputs, targets)
    assert not torch.isfinite(torch.tensor(lost))
    assert not grads
