"""What is measured of one source: of every kind of task, held out honestly, with one pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart import tasks
from headstart.core.strategy import Request
from headstart.data import splits
from headstart.errors import UnknownName
from headstart.measure.transferability.leep import leep
from headstart.ranking import scoring
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, shapes


def request(kind: str = "classification", *, labels: bool = False, **made: int) -> Request:
    dataset = shapes(kind, **made)
    assert dataset.task is not None
    backbone = TinyBackbone(labels=dataset.task.labels if labels else None)
    return Request(dataset, dataset.task, splits.make_split(dataset), MemoryExtractor(dataset), backbone)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_every_kind_of_task(kind: str) -> None:
    asked = request(kind)
    found = scoring.score(asked, scoring.wanted(["all"]))
    methods, y = tasks.for_task(asked.task), asked.dataset.targets[scoring.held_out(asked.split, asked.task)]
    assert found.predictions.shape == (4, 36, asked.task.outputs)
    metric = methods.scores[asked.task.metric]
    chance = metric.resampled(
        y, np.tile(methods.activate(methods.constant(y, asked.task.outputs)), (36, 1)), np.ones((1, 36))
    )
    for told in found.predictions:
        assert metric.resampled(y, told, np.ones((1, 36))) > chance
    assert set(scoring.DECIDERS) <= set(found.scores)
    assert all(np.isfinite(value) for value in found.scores.values())
    assert asked.features.forward_passes == 1.0
    if kind == "classification":
        assert set(found.left_out) == {"leep", "nce"}
        assert set(found.left_out.values()) == {"the source comes without a classifier"}
        np.testing.assert_allclose(found.predictions.sum(axis=2), 1.0)
    else:
        assert set(found.left_out) == set(scoring.FURTHER)
        assert set(found.left_out.values()) == {"it is of classes, one an item"}


def test_the_sources_own_classifier_is_asked_in_the_same_pass() -> None:
    asked = request(labels=True)
    found = scoring.score(asked, ("leep", "nce"))
    assert not found.left_out
    assert found.scores["leep"] < 0
    assert found.scores["nce"] <= 0
    taught = replace(
        asked, backbone=asked.backbone.teach(asked.dataset), features=MemoryExtractor(asked.dataset)
    )
    assert scoring.score(taught, ("leep",)).scores["leep"] > found.scores["leep"]
    assert leep(np.full((36, 3), 1 / 3), np.arange(36) % 3) == pytest.approx(-np.log(3))


def test_labels_that_mean_nothing_are_not_learnt() -> None:
    """Of many taps the best by leave-one-out looks far better than it is: folds choose anew."""
    asked = request(per_class=14)
    rng = np.random.default_rng(1)
    accuracies = []
    for _ in range(6):
        noise = replace(asked.dataset, targets=rng.permutation(np.asarray(asked.dataset.y)))
        other = replace(asked, dataset=noise, split=splits.make_split(noise))
        found = scoring.score(other)
        y = noise.targets[scoring.held_out(other.split, other.task)]
        accuracies.append(np.mean(found.predictions.argmax(axis=2) == y))
    assert 0.2 < np.mean(accuracies) < 0.45


def test_closed_form_from_many_rows_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(per_class=40)
    by_folds = scoring.score(asked)
    monkeypatch.setattr(scoring, "CLOSED_FROM", 100)
    closed = scoring.score(asked)
    assert closed.predictions.shape == (1, 120, 3)
    y = np.asarray(asked.dataset.y)
    one, other = (np.mean(found.predictions.argmax(axis=2) == y) for found in (by_folds, closed))
    assert abs(one - other) < 0.12
    assert closed.taps == by_folds.taps


def test_groups_are_left_out_together_and_metrics_weigh() -> None:
    asked = request(per_class=16)
    twin = asked.dataset.subset(np.repeat(np.arange(48), 2))  # every item twice
    split = splits.make_split(twin)
    found = scoring.score(replace(asked, dataset=twin, split=split, features=MemoryExtractor(twin)))
    alone = scoring.score(asked)
    y, twice = np.asarray(asked.dataset.y), np.asarray(twin.y)
    one, other = np.mean(alone.predictions.argmax(2) == y), np.mean(found.predictions.argmax(2) == twice)
    assert other < one + 0.12  # a copy among the training items would make it 1
    balanced = replace(asked.task, metric="balanced accuracy")
    weighed = scoring.score(replace(asked, task=balanced))
    assert weighed.items != alone.items
    assert weighed.predictions.shape == alone.predictions.shape


def test_names_of_scores() -> None:
    assert scoring.wanted(["leep", "hscore"]) == ("hscore", "leep")
    assert scoring.wanted(["all"]) == tuple(scoring.FURTHER)
    with pytest.raises(UnknownName, match="did you mean 'hscore'"):
        scoring.wanted(["h-score"])
