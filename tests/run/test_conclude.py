"""What is done to the winner before it ships."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_info, threadpool_limits

from headstart.core.events import ignore
from headstart.core.experiment import Experiment
from headstart.core.strategy import Request, Trial
from headstart.core.task import Task
from headstart.predict.predictor import predict
from headstart.predict.retained import retained
from headstart.run import conclude
from headstart.run.state.context import Context
from headstart.run.state.folder import RunFolder
from headstart.testing.fakes import shapes
from made import simulated
from made.models import tiny_model, tiny_task


def boastful(task: Task, n: int = 600) -> tuple[Any, Trial]:
    """An arm that states its probabilities with three times too large logits."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 3)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(3, p=row) for row in p])
    stated = np.exp(3 * logits)
    stated /= stated.sum(axis=1, keepdims=True)
    predictions = np.stack([stated, np.full_like(stated, np.nan)]).astype(np.float32)
    bench = SimpleNamespace(experiment=SimpleNamespace(targets=y), task=task)
    return bench, Trial("net: probe", "probe", "net", predictions)


def test_too_sure_a_winner_is_toned_down() -> None:
    bench, trial = boastful(tiny_task())
    model = conclude.calibrated(tiny_model(), trial, bench)
    temperature = float(model.tensors["temperature"][0])
    assert temperature == pytest.approx(3.0, rel=0.2)
    stated = trial.predictions.array[0].astype(np.float64)
    stated /= stated.sum(axis=1, keepdims=True)
    softened = stated ** (1 / temperature)
    softened /= softened.sum(axis=1, keepdims=True)
    assert log_loss(bench.experiment.targets, softened) < log_loss(bench.experiment.targets, stated) - 0.1
    kept = model.evidence["held_out"]
    assert kept["right"] == (stated.argmax(axis=1) == bench.experiment.targets).astype(float).tolist()
    np.testing.assert_allclose(kept["top"], softened.max(axis=1), atol=0.02)
    shares = [(bench.experiment.targets == label).mean() for label in range(3)]
    np.testing.assert_allclose(model.evidence["frequencies"], shares, atol=1e-6)


def test_the_evidence_is_that_of_the_arm_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few items for an arm that trains the trunk to be preferred, but enough to show that the probe is worse."""
    made = simulated.experiment(n=90, repeats=1)
    arms = [
        simulated.arm(made, "net: probe", "probe", 0.3, seed=1),
        simulated.arm(made, "net: scratch", "scratch", 1.0, seed=2, folds=1),
    ]
    task = tiny_task("multilabel", ("a", "b"))
    dataset = replace(made.dataset, task=task, targets=np.eye(2, dtype=np.float32)[made.dataset.y])
    experiment = Experiment(dataset, task, made.split)
    context = Context(experiment, SimpleNamespace(), {}, RunFolder(tmp_path / "run"), ignore)  # type: ignore[arg-type]
    monkeypatch.setattr(conclude, "trained_on_all", lambda *_: tiny_model(task=task))
    answer = conclude.conclude(context, {trial.arm: trial for trial in arms})
    assert answer.winner == "net: scratch"
    assert answer.model.evidence["arm"] == answer.winner
    assert answer.model.evidence["chosen"]["n"] == answer.model.evidence["cross_validated"]["n"] == 18


def test_the_model_is_fitted_with_the_threads_that_its_folds_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads on small products wait for each other: training on all rows took as long as all folds."""
    made = simulated.experiment(n=90, repeats=1)
    arm = simulated.arm(made, "net: probe", "probe", 0.3, seed=1)
    experiment = Experiment(made.dataset, tiny_task(), made.split)
    context = Context(experiment, SimpleNamespace(), {}, RunFolder(tmp_path / "run"), ignore)  # type: ignore[arg-type]
    seen = []

    def refit(*_: Any) -> Any:
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return tiny_model()

    monkeypatch.setattr(conclude.strategies, "get", lambda *_: SimpleNamespace(refit=refit))
    monkeypatch.setattr(
        Context, "request", lambda *_: Request(made.dataset, made.task, made.split, SimpleNamespace())
    )
    with threadpool_limits(2, user_api="blas"):
        conclude.trained_on_all(context, arm, {arm.arm: arm})
    assert seen
    assert set(seen) == {1}


@pytest.mark.parametrize(
    ("strategy", "source", "told"),
    [("lora", "whisper", True), ("finetune", "whisper", True), ("untouched", "whisper", False),
     ("scratch", "whisper", False), ("probe", "whisper", False)],
)  # fmt: skip
def test_what_a_trained_writer_may_have_forgotten_is_told(strategy: str, source: str, told: bool) -> None:
    trial = Trial(f"{source}: {strategy}", strategy, source)
    speech = Task("transcribe", ("transcript",), "WER", higher_is_better=False)
    for task, wanted in ((speech, told), (tiny_task(), False)):
        asked = SimpleNamespace(retain=None, task=task)
        kept, said = conclude.what_is_retained(asked, trial, tiny_model(), {})  # type: ignore[arg-type]
        assert not kept
        assert ["--retain DATA" in text for text in said] == [True] * wanted


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A run that must retain something; its models are one that is as it was, and one that always says "a"."""
    dataset = shapes(per_class=12)
    told = tiny_model(task=dataset.task)
    weight = {
        **told.tensors,
        "head.weight": 0 * told.tensors["head.weight"],
        "head.bias": np.eye(3, dtype=np.float32)[0],
    }
    models = {"direct": told, "finetune": replace(told, tensors=weight), "full": told}
    monkeypatch.setattr(conclude, "trained_on_all", lambda context, trial, trials: models[trial.strategy])
    monkeypatch.setattr(conclude, "retained", retained)
    found = SimpleNamespace(retain=dataset, task=dataset.task, seed=0, models=models)
    found.timed = lambda *_: nullcontext()
    return found


def test_an_arm_that_has_forgotten_does_not_ship(asked: SimpleNamespace) -> None:
    said = np.full((1, 4, 3), 1 / 3, np.float32)
    trials = {
        name: Trial(f"net: {name}", name, "net", said) for name in ("direct", "finetune", "full", "probe")
    }
    truth = asked.models["direct"]
    labels = np.concatenate([p.scores[None] for p in predict(truth, asked.retain)]).argmax(axis=1)
    asked.retain = replace(asked.retain, targets=labels)  # the source as it is knows all of it
    with pytest.raises(conclude.Forgets) as broken:
        conclude.what_is_retained(asked, trials["finetune"], asked.models["finetune"], trials)  # type: ignore[arg-type]
    found = broken.value.args[0]
    assert found.untouched == 1.0
    assert found.value == pytest.approx((labels == 0).mean())
    assert found.gain.high < 0
    assert "net: finetune does not ship: on 36 items of" in found.sentence
    assert "no more than 2 points may be lost" in found.sentence
    (kept,), (told,) = conclude.what_is_retained(asked, trials["full"], truth, trials)  # type: ignore[arg-type]
    assert kept.kept
    assert kept.gain.gain == 0
    assert told.startswith("net: full has kept what its source could do")
    assert told.endswith("2 points may be lost, and its interval does not rule out more.")
    sure = replace(kept, gain=replace(kept.gain, low=-0.01))
    assert sure.sentence.endswith("2 points may be lost.")
    assert conclude.what_is_retained(asked, trials["probe"], truth, trials) == ([], [])  # type: ignore[arg-type]
    del trials["direct"]
    _, (told,) = conclude.what_is_retained(asked, trials["full"], truth, trials)  # type: ignore[arg-type]
    assert "was not measured (--retain): net as it is was no arm" in told


def test_why_another_ships_is_said_once() -> None:
    gain = SimpleNamespace(value=0.3, n=50)
    verdict = SimpleNamespace(
        comparisons=[SimpleNamespace(arm="net: lora", against="net: untouched", gain=gain)]
    )
    answer = SimpleNamespace(verdict=verdict, winner="net: untouched", retained=[])
    assert "ships although net: lora is ahead" in conclude._although(answer)  # type: ignore[arg-type]
    answer.retained = [{"arm": "net: lora", "kept": False}]
    assert not conclude._although(answer)  # type: ignore[arg-type]
