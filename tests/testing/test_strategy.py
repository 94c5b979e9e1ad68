from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import strategies
from headstart.core.strategy import Request, Settings, Trial
from headstart.strategies.baselines import Majority
from headstart.strategies.probe import Probe
from headstart.testing.strategy import check_strategy, example

FROZEN = ("majority", "pixels", "direct", "probe", "random-frozen")
QUICK = Settings(epochs=2, views=1)


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_strategies_that_train_no_trunk(name: str, kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get(name), example(kind), workdir=tmp_path)


@pytest.mark.parametrize("name", ["finetune", "full", "scratch"])
def test_strategies_that_do(name: str, tmp_path: Path) -> None:
    check_strategy(strategies.get(name), example(repeats=1, settings=QUICK), workdir=tmp_path)


class Peeks(Majority):
    """Predicts what it should not know."""

    def fit(self, request: Request) -> Trial:
        trial = super().fit(request)
        shown = np.eye(3, dtype=np.float32)[np.asarray(request.dataset.y)]
        known = np.isfinite(trial.predictions.array[0, :, 0])
        return replace(trial, predictions=np.where(known[None, :, None], shown, np.nan).repeat(2, 0))


class Selects(Probe):
    """Looks at all labels to choose."""

    def fit(self, request: Request) -> Trial:
        y = np.asarray(request.dataset.y)
        return super().fit(replace(request, seed=int(np.arange(len(y)) @ y)))


class Rolls(Majority):
    rng = np.random.default_rng(0)

    def fit(self, request: Request) -> Trial:
        trial = super().fit(request)
        noisy = trial.predictions.array * self.rng.uniform(0.5, 1.0, trial.predictions.array.shape[2]).astype(
            np.float32
        )
        return replace(trial, predictions=noisy / noisy.sum(axis=2, keepdims=True))


class Short(Majority):
    def fit(self, request: Request) -> Trial:
        trial = super().fit(request)
        return replace(trial, predictions=trial.predictions.array[:1])


class Loose(Majority):
    def fit(self, request: Request) -> Trial:
        trial = super().fit(request)
        return replace(trial, predictions=trial.predictions.array * 0.5)


class Hurries(Majority):
    def fit(self, request: Request) -> Trial:
        from headstart.core.budget import Budget

        return super().fit(replace(request, budget=Budget()))


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Peeks, "held-out rows change"),
        (Rolls, "other predictions"),
        (Short, "predictions"),
        (Loose, "add up to 1"),
        (Hurries, "without any time left"),
    ],
)
def test_the_suite_finds(broken: Any, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_strategy(broken(), example(), workdir=tmp_path)


def test_the_suite_finds_a_selection_that_is_not_nested(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"held-out rows|test part"):
        check_strategy(Selects(), example(), workdir=tmp_path)
