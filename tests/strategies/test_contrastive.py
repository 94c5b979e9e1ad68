from __future__ import annotations

import math
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart import strategies
from headstart.core.budget import Budget
from headstart.core.strategy import Request, Settings
from headstart.modalities import text
from headstart.modalities.text.preprocessing import BI_ENCODER, text_input
from headstart.strategies import contrastive
from headstart.strategies.contrastive import options
from headstart.strategies.gradient._contrast import Embedder, PairBatches, Tokens, pair_loss, pairs_in
from headstart.strategies.gradient._ladder import Pace
from headstart.testing.fakes import MemoryExtractor, folds
from headstart.testing.strategy import check_strategy
from headstart.testing.texts import TinyTextBackbone, sentences

QUICK = Settings(epochs=1, lr=1e-3, batch_size=12)


def request(kind: str = "classification", *, per_class: int = 12, **changes) -> Request:
    dataset = sentences(kind, per_class=per_class, telling=3)
    assert dataset.task is not None
    split = folds(dataset, parts=3, test=0.2)
    usual = {"settings": QUICK, "backbone": TinyTextBackbone()}
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset), **{**usual, **changes})


def test_the_loss_is_the_formula() -> None:
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = [0, 1, 0, 0, 2]
    unit = (z / z.norm(dim=1, keepdim=True)).tolist()
    cos = [[sum(a * b for a, b in zip(u, v, strict=True)) / 0.5 for v in unit] for u in unit]
    expected = []
    for i in range(5):
        partners = [j for j in range(5) if j != i and y[j] == y[i]]
        total = sum(math.exp(cos[i][j]) for j in range(5) if j != i)
        if partners:
            expected.append(sum(math.log(total) - cos[i][j] for j in partners) / len(partners))
    found = pair_loss(z, torch.tensor(y), temperature=0.5)
    assert found[1] == found[4] == 0, "texts without a partner"
    assert float(found.mean()) == pytest.approx(np.mean(expected), abs=1e-6)
    nobody = pair_loss(z.requires_grad_(True), torch.arange(5))
    nobody.mean().backward()
    assert torch.isfinite(z.grad).all()


def test_batches_hold_pairs_of_every_class_in_turn() -> None:
    y = np.repeat(np.arange(10), [30, 3, 3, 3, 3, 3, 3, 3, 3, 1])
    rows = np.arange(len(y)) + 100
    batches = PairBatches.of(
        Tokens([], text_input(TinyTextBackbone().source)), rows, y, size=12, seed=3, steps=8
    )
    seen = np.zeros(10)
    for step in range(60):
        members = batches.members(step)
        assert len(set(members)) == len(members) <= 12
        found = np.bincount(y[members], minlength=10)
        assert set(found[:9]) <= {0, 2}
        seen += found
    assert seen[:9].max() < 2 * seen[:9].min(), "the common class is seen no more than the others"
    assert np.array_equal(batches.members(7), batches.members(7))
    whole = PairBatches.of(batches.views[0], rows, y, size=64, seed=3, steps=8)
    assert len(whole.members(0)) == len(rows)
    assert pairs_in(whole, 10) == 10 * len(rows) * (len(rows) - 1) // 2


def test_texts_of_all_lengths_get_their_own_embedding() -> None:
    asked = request()
    backbone = TinyTextBackbone()
    view = Tokens(asked.dataset.items, text_input(backbone.source))
    inputs = torch.from_numpy(view[np.arange(40) % len(view)])
    net = Embedder(backbone).eval()
    for row in (0, 17, 39):
        alone = text.prepare(asked.dataset.items[row % len(view)].read(), text_input(backbone.source))
        x = backbone.normalise(torch.from_numpy(alone[None]))
        expected = backbone.pool(backbone.full(x), backbone.embedding)[0]
        assert torch.allclose(net(inputs)[row], expected, atol=1e-5)
    assert not any(p.requires_grad for p in backbone.module.embeddings.parameters())
    assert all(p.requires_grad for p in backbone.module.layers.parameters())


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_contract(kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get("contrastive"), request(kind), workdir=tmp_path)


def accuracy(asked: Request, name: str) -> float:
    trial = strategies.get(name).fit(asked)
    assert trial.status == "done", trial.reason
    rows = asked.split.development
    found = trial.predictions.array[0, rows].argmax(1)
    return float((found == np.asarray(asked.dataset.y)[rows]).mean())


def test_it_learns_what_a_frozen_network_does_not_tell() -> None:
    dataset = sentences(per_class=24, telling=2, classes=4)
    asked = request(settings=Settings(lr=3e-2, epochs=40))
    asked = replace(asked, dataset=dataset, task=dataset.task, split=folds(dataset, parts=3))
    asked = replace(asked, features=MemoryExtractor(dataset))
    assert accuracy(asked, "contrastive") > accuracy(asked, "probe") + 0.1


@pytest.mark.parametrize(("classes", "expected"), [(2, 0.3), (3, 0.1)])
def test_two_classes_are_compared_softly(
    classes: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[float] = set()

    def loss(z: torch.Tensor, y: torch.Tensor, *, temperature: float) -> torch.Tensor:
        seen.add(temperature)
        return pair_loss(z, y, temperature=temperature)

    monkeypatch.setattr("headstart.strategies.contrastive.pair_loss", loss)
    dataset = sentences(per_class=12, classes=classes)
    asked = replace(request(), dataset=dataset, task=dataset.task, split=folds(dataset, parts=3))
    strategies.get("contrastive").fit(replace(asked, features=MemoryExtractor(dataset)))
    assert seen == {expected}


def test_pairs_of_texts_read_apart() -> None:
    dataset = sentences(per_class=10, pairs=True)
    backbone = TinyTextBackbone(pairs=BI_ENCODER)
    asked = replace(request(backbone=backbone), dataset=dataset, task=dataset.task)
    asked = replace(asked, split=folds(dataset, parts=3), features=MemoryExtractor(dataset))
    strategy = strategies.get("contrastive")
    model = strategy.refit(asked, strategy.fit(asked))
    assert model.tensors["head.weight"].shape == (2, 3 * TinyTextBackbone.WIDTH)


def test_its_cost_is_told_before_it_begins() -> None:
    told: list[str] = []
    clock = count()
    budget = Budget(3_000.0, lambda: next(clock) * 0.01)
    asked = request(budget=budget, settings=Settings(), progress=lambda what, *_: told.append(what))
    trial = strategies.get("contrastive").fit(asked)
    first = next(what for what in told if "pairs" in what)
    assert "steps" in first
    assert "about" in first
    assert told.index(first) < next(i for i, what in enumerate(told) if "fold 1" in what)
    assert "pairs of texts in" in trial.reason


def test_too_little_time_is_said() -> None:
    clock = count()
    asked = request(budget=Budget(2.0, lambda: next(clock) * 1.0), settings=Settings())
    trial = strategies.get("contrastive").fit(asked)
    assert trial.status == "cut off"
    assert trial.choices["needs"] > 0


def test_a_kill_before_its_length_is_settled_does_not_measure_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    asked = request(settings=replace(QUICK, epochs=None), budget=Budget(60.0), workdir=tmp_path)
    monkeypatch.setattr(contrastive, "measure", lambda request, plan: Pace(0.01, 8))
    with pytest.raises(KeyboardInterrupt):
        strategies.get("contrastive").fit(replace(asked, progress=killed))
    monkeypatch.setattr(contrastive, "measure", lambda request, plan: Pace(100.0, 8))  # a busy moment
    resumed = strategies.get("contrastive").fit(replace(asked, budget=Budget(60.0)))
    assert (resumed.status, resumed.choices["trained_folds"]) == ("done", 3)
    (tmp_path / "plan.json").unlink()
    other = replace(asked, budget=Budget(50.0))  # other time: it is measured again
    assert strategies.get("contrastive").fit(other).status == "cut off"


def test_folds_are_given_up_before_steps_where_enough_is_held_out() -> None:
    few = [(p.epochs, p.folds) for p in options(5, 5, 10)]
    assert few[:3] == [(5, 5), (5, 3), (3, 5)]
    assert few[-1] == (1, 1)
    assert [(p.epochs, p.folds) for p in options(2, 2, 10)] == [(2, 2), (2, 1), (1, 1)]
    many = [(p.epochs, p.folds) for p in options(12, 5, 60)]
    assert many[:4] == [(12, 5), (12, 3), (12, 2), (8, 5)]
    assert many[-1] == (1, 1)
