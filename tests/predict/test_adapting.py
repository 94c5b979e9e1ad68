"""Adapting at test time: the rules against their formulas, the known collapse, the guard, and what is refused."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headstart.cli._options import OPTIONS
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.errors import BadOption, UnknownName
from headstart.predict import adapting
from headstart.predict.adapting import base, batchnorm, entropy
from headstart.predict.predictor import Predictor, predict
from made.models import tiny_images, tiny_model, tiny_task

CLASSES, WIDTH = 10, 8


class Toy(nn.Module):
    """Two hidden layers with norms, and a head."""

    def __init__(self, norm: type[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(WIDTH, 32), norm(32), nn.ReLU(), nn.Linear(32, 32), norm(32), nn.ReLU()
        )
        self.head = nn.Linear(32, CLASSES)

    def logits(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x).softmax(1)


TASK = Task("classification", tuple(map(str, range(CLASSES))), "accuracy")


def drawn(seed: int, items: int, shift: float) -> tuple[Tensor, np.ndarray]:
    """Gaussian classes; shifted: moved and sheared by a fixed map."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(7)
    centres, shear = fixed.normal(size=(CLASSES, WIDTH)), 0.25 * fixed.normal(size=(WIDTH, WIDTH))
    y = rng.integers(0, CLASSES, items)
    x = centres[y] + rng.normal(size=(items, WIDTH))
    x = x + shift * (x @ shear + fixed.normal(size=WIDTH))
    return torch.tensor(x, dtype=torch.float32), y


def learnt(norm: type[nn.Module], seed: int = 1) -> Toy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Toy(norm)
    x, y = drawn(seed, 1000, 0.0)
    optimizer, truth = torch.optim.Adam(net.parameters(), 1e-2), torch.tensor(y)
    for step in range(200):
        rows = slice(200 * (step % 5), 200 * (step % 5 + 1))
        optimizer.zero_grad()
        nn.functional.cross_entropy(net.logits(x[rows]), truth[rows]).backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def layered() -> Toy:
    return learnt(nn.LayerNorm)


@pytest.fixture(scope="module")
def normed() -> Toy:
    return learnt(nn.BatchNorm1d, seed=3)


SHIFTED, TRUTH = drawn(100, 512, 0.9)


def job(net: nn.Module, x: Tensor = SHIFTED) -> base.Job:
    return base.Job(copy.deepcopy(net), TASK, torch.split(x, 64))  # type: ignore[arg-type]


def accuracy(p: np.ndarray) -> float:
    return float((p.argmax(axis=1) == TRUTH).mean())


def evenly(p: Tensor, spread: Tensor, usual: Tensor | None) -> Tensor:
    """TENT: every item counts."""
    return torch.ones_like(spread)


NOISE = 2 * math.sqrt(0.25 / len(TRUTH))
"""Two standard errors of an accuracy."""


def test_entropy_alone_collapses_with_more_epochs(layered: Toy) -> None:
    """As reported of TENT: 61.8, 67.6, 47.6, 34.8 with more and more epochs."""
    work = job(layered)
    chosen = entropy.affine(work.net)
    for parameter in chosen:
        parameter.requires_grad_(True)
    optimizer, usual, found = (
        torch.optim.Adam(chosen, lr=0.01),
        entropy.Usual(),
        [accuracy(work.predictions())],
    )
    for _ in range(20):
        entropy.epoch(work.net, work.batches, optimizer, usual, evenly)
        found.append(accuracy(work.predictions()))
    assert found[-1] < found[0] - 2 * NOISE
    assert found[-1] < found[5] < max(found)


@pytest.mark.parametrize("weigh", [evenly, entropy.weights])
@pytest.mark.parametrize("rate", [entropy.RATE, 0.01])
def test_the_guard_stops_it_in_time(layered: Toy, weigh: Any, rate: float) -> None:
    work = job(layered)
    before = work.predictions()
    done = entropy.apply(work, before, epochs=20, rate=rate, weigh=weigh)
    np.testing.assert_array_equal(done.after, work.predictions())  # what is kept is what the network is
    assert accuracy(done.after) > accuracy(before) - NOISE
    assert done.stopped or done.steps == 20


def test_mixed_statistics_recover_a_shift(normed: Toy) -> None:
    work = job(normed)
    before = work.predictions()
    done = batchnorm.apply(work, before)
    assert accuracy(done.after) > accuracy(before) + 0.05
    assert done.steps
    more = job(normed)
    assert accuracy(entropy.apply(more, before).after) > accuracy(before) + 0.05


def test_statistics_are_mixed_by_the_formula(normed: Toy) -> None:
    x = SHIFTED[:100]
    work, source = job(normed, x), normed.body[1]
    with torch.no_grad():
        batchnorm.mix(work)
    given = normed.body[0](x)
    layer = work.net.body[1]  # type: ignore[index,union-attr]
    expected = (16 * source.running_mean + 100 * given.mean(0)) / 116
    torch.testing.assert_close(layer.running_mean, expected)
    expected = (16 * source.running_var + 100 * given.var(0, unbiased=False)) / 116
    torch.testing.assert_close(layer.running_var, expected)
    assert batchnorm.mixed(torch.tensor(1.0), torch.tensor(3.0), 48) == 2.5


def test_items_count_by_the_formulas() -> None:
    logits = torch.tensor([[4.0, 0, 0], [0.3, 0, 0], [0, 5, 0], [0, 0, 6]])
    p, spread = logits.softmax(1), entropy.entropy(logits)
    expected = [-sum(q * math.log(q) for q in row) for row in p.double().tolist()]
    np.testing.assert_allclose(spread.numpy(), expected, rtol=1e-5)
    threshold = 0.4 * math.log(3)
    alone = entropy.weights(p, spread, None)
    np.testing.assert_allclose(
        alone.numpy(), [0 if e > threshold else math.exp(threshold - e) for e in expected], rtol=1e-5
    )
    usual = torch.tensor([0.02, 0.96, 0.02])  # the cosine with the third is 1, more than 1.26 / sqrt(3)
    np.testing.assert_array_equal((entropy.weights(p, spread, usual) > 0).numpy(), [True, False, False, True])


def test_diversity_is_the_nuclear_norm() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(4), 9)
    expected = np.sqrt(np.linalg.eigvalsh(p.T @ p)).sum() / math.sqrt(9 * 4)
    assert base.diversity(p) == pytest.approx(expected)
    assert base.diversity(np.eye(4).repeat(5, axis=0)) == pytest.approx(1.0)
    assert base.diversity(np.eye(4)[[0] * 20]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("p", "why"),
    [(np.full((4, 2), np.nan), "no numbers"), (np.eye(2)[[0, 0, 0, 1]], "less certain"), (np.eye(2)[[0, 0, 1, 1]], "")],
)  # fmt: skip
def test_the_guard_keeps_what_is_better_and_restores_it(p: np.ndarray, why: str) -> None:
    tensor = torch.zeros(1)
    first = np.array([[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.01, 0.99]])
    guard = base.Guard([tensor], first, np.array([0.5, 0.5]))
    tensor.fill_(1.0)
    assert why in guard.against(p)
    tensor.fill_(2.0)
    guard.restore()
    assert float(tensor) == (0.0 if why else 1.0) == guard.steps


def test_the_guard_stops_where_classes_go_away_from_what_is_due() -> None:
    start, certain = np.array([[0.6, 0.4]] * 9 + [[0.4, 0.6]]), np.eye(2)[[0] * 5 + [1] * 5]
    assert "skewed by 0.40 (allowed 0.30)" in base.Guard([], start, np.array([0.9, 0.1])).against(certain)
    assert not base.Guard([], start, np.array([0.5, 0.5])).against(certain)


@pytest.mark.parametrize(("ants", "harmful"), [(8, False), (16, True)])
def test_skew_is_more_than_chance(ants: int, harmful: bool) -> None:
    found = base.skew_of(
        tiny_task(labels=["ant", "bee"]), np.eye(2)[[0] * ants + [1] * (16 - ants)], np.full(2, 0.5)
    )
    assert found.harmful is harmful
    assert found.found == abs(ants / 16 - 0.5)
    assert found.allowed >= base.APART
    assert base.skew_of(TASK, np.eye(CLASSES)[[0] * 20], np.full(CLASSES, 0.1)).harmful
    assert not base.skew_of(TASK, np.eye(CLASSES)[[0] * 20], np.eye(CLASSES)[0]).harmful


IMAGES = tiny_images(40)
PICTURES = IMAGES.transpose(0, 2, 3, 1)


def taps(kind: str = "classification") -> Model:
    """A residual network with BatchNorm that says each label of some of these pictures, and learnt as many."""
    model = tiny_model("taps", tiny_task(kind))
    if kind != "classification":
        return model
    tensors = dict(model.tensors)
    tensors["head.bias"] = tensors["head.bias"] - np.log(Predictor(model, device="cpu").scores(IMAGES)).mean(
        0
    )
    model = replace(model, tensors=tensors)
    frequencies = base.frequencies(Predictor(model, device="cpu").scores(IMAGES))
    assert frequencies.min() > 0.1
    return replace(model, evidence={"frequencies": frequencies.tolist()})


@pytest.mark.parametrize("how", list(adapting.METHODS))
def test_a_copy_is_adapted_and_the_model_stays(how: str) -> None:
    model = taps()
    predictor = Predictor(model, device="cpu")
    before, fingerprint = predictor.scores(IMAGES), model.fingerprint()
    found = predict(predictor, PICTURES, adapt=how)
    assert found.adapted is not None
    assert (found.adapted.method, found.adapted.items) == (how, 40)
    changed = np.mean(found.scores.argmax(axis=1) != before.argmax(axis=1))
    assert found.adapted.changed == pytest.approx(changed)
    if not found.adapted.steps:
        np.testing.assert_allclose(found.scores, before, atol=1e-6)
    np.testing.assert_array_equal(predictor.scores(IMAGES), before)
    assert model.fingerprint() == fingerprint
    plain = predict(predictor, PICTURES)
    assert plain.adapted is None
    np.testing.assert_array_equal(plain.scores, predict(model, PICTURES).scores)
    again = predict(predictor, PICTURES, adapt=how)
    np.testing.assert_array_equal(found.scores, again.scores)


def skewed() -> Model:
    return replace(taps(), evidence={"frequencies": [0.0, 0.0, 1.0]})


@pytest.mark.parametrize(
    ("model", "items", "how", "why"),
    [
        (taps, 1, "batchnorm", "1 item can be read, and it takes 16"),
        (taps, 15, "entropy", "15 items can be read, and it takes 16"),
        (skewed, 40, "batchnorm", r"% of 40 answers are '(ant|bee)', which 0 % of what it learnt from was"),
        (tiny_model, 40, "batchnorm", "no BatchNorm"),
        (tiny_model, 40, "entropy", "no norm layers"),
        (lambda: taps("regression"), 40, "entropy", "this is a regression model"),
        (lambda: taps("multilabel"), 40, "batchnorm", "this is a multilabel model"),
    ],
)
def test_what_would_do_harm_is_refused(model: Any, items: int, how: str, why: str) -> None:
    with pytest.raises(BadOption, match=f"--adapt is '{how}', but it must be left out: .*{why}"):
        predict(Predictor(model(), device="cpu"), PICTURES[:items], adapt=how)


def test_an_exported_model_cannot_be_adapted_and_unknown_ways_are_named() -> None:
    exported: Any = SimpleNamespace(model=taps())
    with pytest.raises(BadOption, match="an exported model is a graph"):
        predict(exported, PICTURES, adapt="batchnorm")
    with pytest.raises(UnknownName, match="batchnorm"):
        predict(exported, PICTURES, adapt="batchnrom")


@pytest.mark.parametrize(
    "said", [None, "damaged", [1.0], [0.5, 0.5, float("nan")], [-1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
)
def test_frequencies_that_are_not_there_or_not_sound_are_equal_ones(said: Any) -> None:
    model = replace(taps(), evidence={"frequencies": said})
    _, told = Predictor(model, device="cpu").adapted(list(IMAGES), "batchnorm")
    assert told.skew.due == pytest.approx(1 / 3)


def test_the_command_line_names_every_way() -> None:
    assert OPTIONS["adapt"]["metavar"].split("|") == list(adapting.METHODS)
