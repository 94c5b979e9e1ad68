"""Whoever trains on a fold gets data in which the labels of the rows held out do not exist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headstart import strategies
from headstart.core.strategy import Peer, Request, Settings, Trial
from headstart.core.targets import Dense
from headstart.strategies import scratch
from headstart.strategies.shared import _folds
from headstart.testing.fakes import SHAPES, MemoryExtractor, TinyBackbone, folds, shapes
from headstart.testing.strategy import example, numbers
from headstart.testing.texts import TinyTextBackbone, sentences
from made import rows
from made.simulated import arm

QUICK = Settings(epochs=1, batch_size=8, lr=1e-3)


def request(name: str, settings: Settings = QUICK) -> Request:
    """The smallest one to which the strategy applies."""
    if name == "lora":
        pytest.importorskip("peft")
    one = strategies.facts(name)
    if one.unlabelled:
        return example(per_class=9, repeats=1, free=60, settings=settings)
    if one.knows("table") and one.modalities:
        return rows.request("classification")
    if one.knows("image") and "image" not in one.by_hand:
        dataset, backbone = shapes(per_class=9), TinyBackbone(labels=SHAPES)
    elif not one.knows("text"):
        dataset, backbone = pytest.importorskip("sounds").labelled(per_class=9), None  # type: ignore[assignment]
    else:
        dataset, backbone = sentences(per_class=9, telling=3), TinyTextBackbone()  # type: ignore[assignment]
    assert dataset.task is not None
    split = folds(dataset, parts=3, test=0.2)
    made = Request(dataset, dataset.task, split, MemoryExtractor(dataset), backbone, settings=settings)
    if one.role != "ensemble":
        return made
    trials = [peer(made, "tiny: probe", 1), peer(made, "tiny: scratch", 2)]
    peers = tuple(Peer(trial, None, refit=lambda: None) for trial in trials)  # type: ignore[arg-type, return-value]
    return replace(made, backbone=None, peers=peers)


def peer(made: Request, name: str, seed: int) -> Trial:
    """An arm that is right now and then, whatever the labels are changed to later."""
    two = replace(made, dataset=replace(made.dataset, targets=made.dataset.targets[:] % 2))
    p = numbers(arm(two, name, name.rpartition(": ")[2], 0.7, seed=seed))
    wide = np.concatenate([p, np.full_like(p[..., :1], 0.1)], axis=2)
    held = np.isin(np.arange(len(made.dataset)), made.split.development)
    return Trial(name, name.rpartition(": ")[2], "tiny", np.where(held[None, :, None], wide, np.nan))


EVERY = [one.name for one in strategies.every() if one.where]  # others are for answers of another form


@pytest.mark.parametrize("name", EVERY)
def test_garbage_for_held_out_labels_changes_nothing(name: str) -> None:
    asked = request(name)
    trial = strategies.get(name).fit(asked)
    assert trial.covered.any(), trial.reason
    for fold in (asked.split.folds[0], asked.split.folds[-1]):
        y = asked.dataset.targets[:].copy()
        y[fold.test] = (y[fold.test] + 1 + np.arange(len(fold.test)) % 2) % 3
        other = strategies.get(name).fit(replace(asked, dataset=replace(asked.dataset, targets=y)))
        ours, theirs = (numbers(one)[fold.repeat, fold.test] for one in (trial, other))
        np.testing.assert_array_equal(ours, theirs)


class Watched(Dense):
    """Labels of which those of the whole development part may not be read while a fold is fitted."""

    fitting = False
    read = 0

    def __getitem__(self, rows: Any) -> Any:
        assert not Watched.fitting, "the labels of rows that the fold holds out can be read"
        return super().__getitem__(rows)

    def hidden(self, kept: np.ndarray) -> Dense:
        return Part(super().hidden(kept).array)


class Part(Dense):
    """What is left of them in a view."""

    def __getitem__(self, rows: Any) -> Any:
        Watched.read += Watched.fitting
        return super().__getitem__(rows)


@pytest.mark.parametrize("name", EVERY)
def test_a_fold_reads_labels_through_its_own_view(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(name)
    asked = replace(asked, dataset=replace(asked.dataset, targets=Watched(asked.dataset.targets[:])))
    run, seen = _folds._run, []

    def watched(fit_fold: Any, request: Request, fold: Any, number: int) -> Any:
        targets = request.dataset.targets
        assert set(np.flatnonzero(targets.known)) == set(fold.train)
        with pytest.raises(LookupError, match="no label"):
            targets[fold.test[:1]]
        assert (request.dataset.y[fold.test] == -1).all()  # type: ignore[index]
        seen.append(number)
        Watched.fitting, Watched.read = True, 0
        try:
            return run(fit_fold, request, fold, number)
        finally:
            Watched.fitting = False
            assert Watched.read or name == "direct", "it learnt from no label"

    monkeypatch.setattr(_folds, "_run", watched)
    assert strategies.get(name).fit(asked).covered.any()
    assert seen or strategies.facts(name).role == "ensemble"  # which fits nothing


def test_the_rates_of_a_network_from_scratch_are_chosen_within_each_fold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They used to be chosen by rows that other folds hold out."""
    monkeypatch.setattr(scratch, "LEAST_EPOCHS_TO_TRY", 1)
    asked = request("scratch", replace(QUICK, lr=None, epochs=4))
    trial = strategies.get("scratch").fit(asked)
    assert len(trial.choices["rates"]) == 3
    for fold in asked.split.folds:
        y = asked.dataset.targets[:].copy()
        y[fold.test] = (y[fold.test] + 1) % 3
        other = strategies.get("scratch").fit(replace(asked, dataset=replace(asked.dataset, targets=y)))
        ours, theirs = (numbers(one)[fold.repeat, fold.test] for one in (trial, other))
        np.testing.assert_array_equal(ours, theirs)
