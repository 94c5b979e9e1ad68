from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart import strategies, tasks
from headstart.core.budget import Budget
from headstart.core.strategy import Request, Settings, Trial
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.strategies import scratch
from headstart.strategies.gradient import _arm, _ladder, _settled
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes


class Sized(TinyBackbone):
    """A tiny network that wants its input at another size."""

    def __init__(self, seed: int = 0, side: int = 24) -> None:
        super().__init__(seed)
        self.source = replace(self.source, input=ImagePreprocessing(size=(side, side), crop_pct=1.0))

    def fresh(self, seed: int) -> Sized:
        return Sized(seed, self.source.input.size[0])


def request(
    settings: Settings, *, side: int = 24, seconds: float | None = None, per_class: int = 12
) -> Request:
    dataset = shapes(per_class=per_class)
    assert dataset.task is not None
    return Request(
        dataset,
        dataset.task,
        folds(dataset, parts=3),
        MemoryExtractor(dataset),
        backbone=Sized(side=side),
        settings=settings,
        budget=Budget(seconds),
    )


def test_learns_without_the_source() -> None:
    asked = request(Settings(epochs=12, lr=5e-3), per_class=24)
    trial = strategies.get("scratch").fit(asked)
    assert (
        tasks.get("classification").scores["accuracy"].value(asked.dataset.y, trial.predictions.array[0])
        > 0.6
    )


def test_the_weights_of_the_source_play_no_part() -> None:
    asked = request(Settings(epochs=2, lr=1e-3))
    other = replace(asked, backbone=Sized(seed=5))
    one, two = (strategies.get("scratch").fit(r).predictions.array for r in (asked, other))
    assert np.array_equal(one, two)


def test_tries_three_rates_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LEAST_EPOCHS_TO_TRY", 1)
    losses = {1e-3: 0.9, 3e-3: 0.5, 3e-4: 0.7}
    monkeypatch.setattr(scratch, "held_out_loss", lambda arm, part, held: losses[arm.design.recipe.lr])
    trial = strategies.get("scratch").fit(request(Settings(epochs=2)))
    assert trial.choices["lr"] == 3e-3
    assert {fold["lr"] for fold in trial.choices["folds"]} == {3e-3}
    assert strategies.get("scratch").refit(request(Settings(epochs=2)), trial).tensors


def test_short_trainings_try_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "held_out_loss", None)
    assert strategies.get("scratch").fit(request(Settings(epochs=2))).choices["lr"] == 1e-3


def test_rates_are_tried_on_training_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LEAST_EPOCHS_TO_TRY", 1)
    seen = []
    monkeypatch.setattr(scratch, "held_out_loss", lambda arm, part, held: seen.append((part, held)) or 0.0)
    asked = request(Settings(epochs=2))
    strategies.get("scratch").fit(asked)
    assert len(seen) == 3 * len(asked.split.folds)
    for number, (part, held) in enumerate(seen):
        assert len(held) >= 1
        train = asked.split.folds[number // 3].train
        assert np.array_equal(np.sort(np.concatenate([part, held])), train)


def test_a_smaller_side_when_time_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(arm):
        return _ladder.Pace(0.001 * (arm.design.side / 64) ** 2, 3)

    monkeypatch.setattr(_arm, "measure", measure)
    asked = request(Settings(lr=1e-3, batch_size=8), side=160, seconds=2.0)
    # 80 epochs of 3 steps and 4 trainings: 1.1 s at 64 px, 2.5 s at 96 px, half of the epochs: 1.6 s
    design = scratch.design(asked)
    assert design.side == 96
    assert design.smaller
    assert not scratch.design(replace(asked, budget=Budget())).smaller


def test_networks_bound_to_one_size_keep_it() -> None:
    assert scratch.any_size(TinyBackbone(), 64)

    class Bound(TinyBackbone):
        def normalise(self, pixels):
            assert pixels.shape[-1] == 24
            return super().normalise(pixels)

    assert not scratch.any_size(Bound(), 64)


def test_the_model_of_a_smaller_side_says_so() -> None:
    asked = request(Settings(epochs=2, lr=1e-3), side=48)
    strategy = strategies.get("scratch")
    trial = strategy.fit(asked)
    small = replace(trial, choices={**trial.choices, "side": 32, "smaller": True})
    assert strategy.refit(asked, small).input.size == (32, 32)
    assert strategy.refit(asked, trial).input.size == (48, 48)


def test_a_kill_before_anything_is_settled_does_not_measure_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scratch, "LEAST_EPOCHS_TO_TRY", 1)
    asked = replace(request(Settings(), seconds=60.0), workdir=tmp_path)

    def interrupted(*args: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(_arm, "measure", lambda arm: _ladder.Pace(0.02, 2))
    monkeypatch.setattr(scratch, "held_out_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        strategies.get("scratch").fit(asked)
    tried: list[float] = []
    monkeypatch.setattr(_arm, "measure", lambda arm: _ladder.Pace(100.0, 2))  # a busy moment
    monkeypatch.setattr(scratch, "held_out_loss", lambda arm, part, held: tried.append(1.0) or 1.0)
    resumed = strategies.get("scratch").fit(replace(asked, budget=Budget(60.0)))
    assert (resumed.status, len(tried)) == ("done", 9)
    other = replace(asked, budget=Budget(50.0), workdir=tmp_path)  # other time: it is measured again
    (tmp_path / "plan.json").unlink()
    assert strategies.get("scratch").fit(other).status == "cut off"


@pytest.mark.parametrize("damage", ['{"key": 5}', "[", '{"key": "KEY", "seconds_per_step": null}'])
def test_a_damaged_measurement_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str
) -> None:
    asked = replace(request(Settings(), seconds=60.0), workdir=tmp_path)
    assert _settled.paced(asked, lambda: _ladder.Pace(0.5, 2))[0].seconds_per_step == 0.5
    kept = json.loads((tmp_path / "measured.json").read_text())
    (tmp_path / "measured.json").write_text(damage.replace("KEY", kept["key"]))
    assert _settled.paced(asked, lambda: _ladder.Pace(0.7, 2))[0].seconds_per_step == 0.7
    assert _settled.paced(asked, lambda: _ladder.Pace(0.9, 2))[0].seconds_per_step == 0.7


def test_the_same_command_trains_as_long_again_however_busy_the_machine_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def settled(arm, folds, tuned):  # in place of trainings
        reason = _arm.summary(arm.design, folds, 3)
        return Trial("net: scratch", "scratch", "net", reason=reason, choices=arm.design.to_json())

    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    monkeypatch.setattr(_arm, "run", settled)

    def epochs(run: str, pace: float, *, asked: str = "command", seconds: float = 60.0) -> tuple[int, str]:
        monkeypatch.setattr(_arm, "measure", lambda arm: _ladder.Pace(pace, 2))
        of = replace(request(Settings(lr=1e-3), seconds=seconds), workdir=tmp_path / run, asked=asked)
        trial = strategies.get("scratch").fit(of)
        return trial.choices["epochs"], trial.reason

    # 80 epochs of 2 steps and 4 trainings take 59 s with the margin, at the pace of the second run 74 s
    assert epochs("first", 0.08)[0] == 80
    assert epochs("second", 0.10)[0] == 80
    assert epochs("less time", 0.08, seconds=50.0)[0] == 80
    assert epochs("another command", 0.10, asked="other")[0] == 50
    assert epochs("none", 0.10, asked="")[0] == 50
    much_slower, reason = epochs("much slower", 0.20)
    assert much_slower == 30
    assert "30 of 80 epochs" in reason, "what the clock has cut is told"
    assert epochs("as slow again", 0.17)[0] == 30
