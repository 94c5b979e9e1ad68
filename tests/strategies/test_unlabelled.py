"""What learns from items without a label: the contract of a strategy, and when it does not apply."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import strategies
from headstart.core.dataset import ArrayItem
from headstart.core.features import FeatureSpec, Tap
from headstart.core.model import Model
from headstart.core.strategy import Peer, Settings
from headstart.strategies import _unlabelled
from headstart.strategies.match import Match
from headstart.testing.fakes import MemoryExtractor, TinyBackbone
from headstart.testing.strategy import check_strategy, example, numbers

EVERY = [one.name for one in strategies.every() if one.unlabelled]


@pytest.mark.parametrize("name", EVERY)
def test_it_keeps_the_contract(name: str, tmp_path: Path) -> None:
    check_strategy(strategies.get(name), example(free=60, repeats=1), workdir=tmp_path)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_it_serves_one_label_an_item(name: str, kind: str) -> None:
    trial = strategies.get(name).fit(example(kind, free=60))
    assert trial.status == "not applicable"
    assert kind in trial.reason


@pytest.mark.parametrize(("free", "found"), [(0, "0 items"), (3, "3 items"), (48, "48 items")])
def test_few_items_without_a_label_are_not_asked(free: int, found: str) -> None:
    trial = strategies.get("voted").fit(example(free=free))
    assert trial.status == "not applicable"
    assert found in trial.reason
    assert "at least 58 are needed beside 29 labelled ones" in trial.reason


def test_many_labels_need_no_help() -> None:
    trial = strategies.get("voted").fit(example(per_class=36, free=200, repeats=1))
    assert trial.status == "not applicable"
    assert "29 labels a class" in trial.reason


def test_items_of_another_domain_are_not_learnt_from() -> None:
    asked = example(free=60)
    given = np.concatenate([asked.split.development, asked.split.test])
    items = tuple(
        item if row in given or not isinstance(item, ArrayItem) else ArrayItem(item.id, 255 - item.array // 4)
        for row, item in enumerate(asked.dataset.items)
    )
    dataset = replace(asked.dataset, items=items)
    for name in EVERY:
        trial = strategies.get(name).fit(replace(asked, dataset=dataset, features=MemoryExtractor(dataset)))
        assert trial.status == "not applicable"
        assert "look like another domain" in trial.reason
        assert "headstart adapt" in trial.reason


def test_no_copy_of_a_test_item_is_learnt_from() -> None:
    asked = example(free=60)
    groups = asked.split.groups.copy()
    free = _unlabelled.pool(asked)
    groups[free[:5]] = groups[asked.split.test[0]]
    assert (
        _unlabelled.pool(replace(asked, split=replace(asked.split, groups=groups))).tolist()
        == free[5:].tolist()
    )


@pytest.mark.parametrize("name", EVERY)
def test_a_copy_of_what_a_fold_holds_out_changes_nothing_there(name: str) -> None:
    """Its group keeps it out of the fold: whatever it looks like, the fold's predictions stay."""
    asked = example(free=60, repeats=1)
    fold, free = asked.split.folds[0], _unlabelled.pool(asked)
    groups = asked.split.groups.copy()
    groups[free[0]] = groups[fold.test[0]]
    asked = replace(asked, split=replace(asked.split, groups=groups))
    items = list(asked.dataset.items)
    items[free[0]] = items[free[1]]
    dataset = replace(asked.dataset, items=tuple(items))
    trials = [
        strategies.get(name).fit(request)
        for request in (asked, replace(asked, dataset=dataset, features=MemoryExtractor(dataset)))
    ]
    ours, theirs = (numbers(trial)[0, fold.test] for trial in trials)
    np.testing.assert_array_equal(ours, theirs)


def test_stored_views_serve_as_other_views() -> None:
    asked = example(free=60, repeats=1, settings=Settings(views=1))
    trial, dropped = Match().fit(asked), Match().fit(replace(asked, settings=Settings()))
    assert "stored views" in trial.reason
    assert "features dropped" in dropped.reason
    assert not np.array_equal(numbers(trial), numbers(dropped), equal_nan=True)


def test_one_layer_cannot_vote() -> None:
    class OneLayer(TinyBackbone):
        def taps(self):
            return (self.embedding,)

    trial = strategies.get("voted").fit(replace(example(free=60), backbone=OneLayer()))
    assert trial.status == "not applicable"
    assert "two must agree" in trial.reason


@pytest.mark.parametrize("name", EVERY)
def test_what_answers_is_the_mean_with_the_probe(name: str) -> None:
    """In every fold, and in the model: a head of all taps that either reads, with the mean of both logits."""
    asked = example(free=60, repeats=1)
    probe, strategy = strategies.get("probe"), strategies.get(name)
    alone = probe.fit(asked)
    peer = Peer(alone, asked.network.source, lambda: probe.refit(asked, alone))
    both, own = replace(asked, peers=(peer,)), strategy.fit(asked)
    trial, rows = strategy.fit(both), asked.split.folds[0].test
    assert trial.choices["members"] == [alone.arm]
    logits = np.log(numbers(own)[0, rows]) + np.log(numbers(alone)[0, rows])
    p = np.exp(logits / 2)
    np.testing.assert_allclose(numbers(trial)[0, rows], p / p.sum(axis=1, keepdims=True), atol=1e-5)

    def said(model: Model) -> np.ndarray:
        taps = [Tap.parse(tap) for tap in model.net["taps"]]
        stored = asked.features(asked.network, FeatureSpec(taps=tuple(taps)))
        x = np.concatenate([stored.tap(tap) for tap in taps], axis=1).astype(np.float64)
        return x @ model.tensors["head.weight"].T + model.tensors["head.bias"]

    models = strategy.refit(both, trial), strategy.refit(asked, own), probe.refit(asked, alone)
    found, learnt, known = map(said, models)
    np.testing.assert_allclose(found, (learnt + known) / 2, atol=1e-4)


class Clusters(MemoryExtractor):
    """Features that are a mean for each class, and noise of their own at every tap."""

    def _read(self, backbone: Any, spec: FeatureSpec, view: int) -> dict[str, np.ndarray]:
        y = self.dataset.targets[:]
        return {
            str(tap): (
                np.eye(24)[y] + 0.3 * np.random.default_rng(10 + number).standard_normal((len(y), 24))
            ).astype("f2")
            for number, tap in enumerate(spec.taps)
        }


@pytest.mark.parametrize("name", ["voted", "propagation"])
def test_items_without_a_label_help(name: str) -> None:
    """Where classes are clusters: beside a model of the same features by the labels alone, on what had none."""
    asked = example(per_class=8, repeats=1, free=240)
    extractor = Clusters(asked.dataset)
    network = asked.network
    stored = extractor(network, FeatureSpec(taps=(*network.taps(), network.embedding)))
    asked = replace(asked, features=extractor)
    lesson = _unlabelled.Lesson(asked, stored, asked.split.development, _unlabelled.pool(asked))
    x, truth = lesson.features(lesson.embedding), asked.dataset.targets[lesson.pool]
    none = np.zeros(0, np.int64)
    strategy = strategies.get(name)
    assert isinstance(strategy, _unlabelled.LearnsFromBoth)
    alone, both = (
        (lesson.answers(linear, x).argmax(axis=1) == truth).mean()
        for linear in (lesson.fit(x, none, none), strategy.learn(lesson))
    )
    assert alone < 0.9
    assert both > alone + 0.05
