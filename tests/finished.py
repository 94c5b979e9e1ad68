"""A finished run of a tiny network on drawn shapes, made in memory in a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart import strategies
from headstart.core.budget import Budget
from headstart.core.events import Event
from headstart.core.experiment import Experiment
from headstart.core.strategy import Trial
from headstart.evidence import selection
from headstart.evidence.verdict import verdict_of
from headstart.passes import extractor
from headstart.passes.engines import AUTO
from headstart.passes.steps.choice import Choice
from headstart.run import conclude, fit, manifest
from headstart.run.state.config import RunConfig
from headstart.run.state.context import Context
from headstart.run.state.folder import RunFolder
from headstart.testing.fakes import MemoryExtractor, TinyBackbone
from headstart.testing.strategy import example


@dataclass
class Made:
    """A run, and what `fit` gives of it."""

    context: Context
    trials: dict[str, Trial]
    answer: conclude.Answer
    folder: Path
    record: dict[str, Any]
    events: list[Event]

    @property
    def experiment(self) -> Experiment:
        return self.context.experiment

    @property
    def result(self) -> fit.Result:
        context = self.context
        return fit.Result(
            context.experiment,
            context,
            self.trials,
            self.answer,
            self.record,
            context.folder,
            context.listen,
            Budget(),
            lambda: 1.0,
        )


class Stored(MemoryExtractor):
    """Features in memory; `gone`: as if they had been cleared from the store."""

    seconds = 0.0
    gone = False

    def missing(self, backbone: Any, spec: Any) -> float:
        return 1.0 if self.gone else 0.0

    def choice(self, backbone: Any, kept: Any = None) -> Choice:
        return Choice()

    def measured(self, backbone: Any) -> float:
        return extractor.measure_pass(backbone, self.dataset)

    engine = AUTO


def probabilities(
    kind: str, y: np.ndarray, outputs: int, noise: float, seed: int, repeats: int
) -> np.ndarray:
    """float32 `[R, N, K]`: predictions that are the truth but for noise, drawn anew in every repeat."""
    rng = np.random.default_rng(seed)
    truth = np.eye(outputs)[y] if kind == "classification" else y.reshape(len(y), -1)
    raw = truth + noise * rng.normal(size=(repeats, *truth.shape))
    if kind == "classification":
        odds = np.exp(4 * raw)
        raw = odds / odds.sum(axis=2, keepdims=True)
    elif kind == "multilabel":
        raw = 1 / (1 + np.exp(-6 * (raw - 0.5)))
    return raw.astype(np.float32)


Make = Callable[..., Any]
Change = Callable[[Any, Any], tuple[Any, Any]]


def unchanged(dataset: Any, split: Any) -> tuple[Any, Any]:
    return dataset, split


def of(asked: Any, change: Change) -> Any:
    """The request with the data set and the split that `change` makes of its own."""
    dataset, split = change(asked.dataset, asked.split)
    return replace(asked, dataset=dataset, split=split, task=dataset.task, features=Stored(dataset))


@cache
def probed(kind: str, per_class: int) -> tuple[Any, Trial]:
    """The request of most runs, and its probe, which is the same in all of them."""
    asked = of(example(kind, per_class=per_class), unchanged)
    return asked, strategies.get("probe").fit(asked)


@pytest.fixture
def make_run(tmp_path: Path) -> Make:
    """See `maker`."""
    return maker(tmp_path)


def maker(root: Path) -> Make:
    """`make(name, kind, noise=..., seed=..., change=...)` -> what `fit` gives to `api.conclude`, its folder
    complete. The shipped arm is the simulated "tiny: finetune"; "tiny: probe" is real.

    `change(dataset, split)` may give others; `asked` is the request to make the run of (texts, say, whose
    shipped model is then the real probe).
    """

    def make(
        name: str = "run",
        kind: str = "classification",
        *,
        noise: float = 0.5,
        seed: int = 0,
        per_class: int = 12,
        change: Change = unchanged,
        asked: Any = None,
    ) -> Any:
        if asked is None and change is unchanged:
            asked, probe = probed(kind, per_class)
            probe = replace(probe, predictions=probe.predictions.array.copy())
        else:
            asked = of(asked or example(kind, per_class=per_class), change)
            probe = strategies.get("probe").fit(asked)
        dataset, split, task = asked.dataset, asked.split, asked.task
        asked = replace(asked, features=Stored(dataset))
        events: list[Event] = []
        folder = RunFolder(root / name)
        folder.begin({"seed": 0})
        context = Context(
            Experiment(dataset, task, split),
            asked.features,
            {"tiny": asked.backbone.source},
            folder,
            events.append,
        )  # type: ignore[arg-type]
        context._loaded["tiny"] = asked.backbone if dataset.modality == "text" else TinyBackbone()
        probe = replace(probe, source="tiny", arm="tiny: probe")
        said = probabilities(kind, dataset.y, task.outputs, noise, seed, split.repeats)
        held = np.zeros(said.shape[:2], bool)
        for fold in split.folds:
            held[fold.repeat, fold.test] = True
        said[~held] = np.nan
        arm = Trial("tiny: finetune", "finetune", "tiny", said)
        trials = {t.arm: t for t in (probe, arm)}
        for trial in trials.values():
            folder.save_trial(trial)
        rows = selection.rows(trials, context.experiment, arm.arm)
        model: Any = SimpleNamespace(evidence={"chosen": None}, input=asked.backbone.source.input, task=task)
        if dataset.modality == "text":
            model = replace(
                strategies.get("probe").refit(asked, probe), evidence={"arm": arm.arm, "chosen": None}
            )
        answer = conclude.Answer(rows, verdict_of(trials, context.experiment), arm.arm, model, None, {})
        content = manifest.write_answer(context, answer, [], {}, Budget(60), RunConfig(None))
        folder.write({**content, "complete": True})
        return Made(context, trials, answer, folder.path, content, events)

    return make
