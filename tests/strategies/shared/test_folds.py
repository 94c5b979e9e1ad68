from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.core.budget import Budget
from headstart.core.evidence import Cost
from headstart.core.split import Fold
from headstart.core.strategy import Request, Settings
from headstart.strategies.shared._folds import OutOfTime, empty_trial, run_folds
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Arm:
    """Counts its folds; each takes `seconds` of the clock."""

    def __init__(self, clock: Clock | None = None, seconds: float = 0.0) -> None:
        self.clock, self.seconds, self.calls = clock or Clock(), seconds, []

    def __call__(self, request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict]:
        self.calls.append(number)
        self.clock.now += self.seconds
        assert set(np.flatnonzero(request.dataset.labelled)) == set(fold.train)
        assert not set(fold.train) & set(fold.test)
        out = np.full((len(fold.test), 3), 1 / 3)
        out[:, number % 3] += np.arange(len(fold.test)) * 1e-3
        return out, {"number": np.int64(number), "rows": np.arange(2)}


def request(**changes) -> Request:
    dataset = shapes(per_class=6)
    assert dataset.task is not None
    values = {
        "dataset": dataset,
        "task": dataset.task,
        "split": folds(dataset, parts=3, repeats=2, test=0.2),
        "features": MemoryExtractor(dataset),
        "backbone": TinyBackbone(),
    }
    return Request(**{**values, **changes})


def test_predictions_lie_where_rows_were_held_out() -> None:
    asked, arm = request(), Arm()
    seen: list[tuple[str, int, int]] = []
    trial = run_folds(
        replace(asked, progress=lambda *a: seen.append(a)), "tiny: probe", arm, before=Cost(2.0, 1.0)
    )
    assert (trial.arm, trial.strategy, trial.source) == ("tiny: probe", "probe", "tiny")
    assert (trial.status, trial.reason) == ("done", "")
    assert arm.calls == list(range(6))
    assert seen == [("folds", i + 1, 6) for i in range(6)]
    held = np.isfinite(trial.predictions.array).all(axis=2)
    assert held[:, asked.split.development].all()
    assert not held[:, asked.split.test].any()
    fold = asked.split.folds[4]
    expected = arm(asked.view(fold.train), fold, 4)[0].astype(np.float32)
    assert np.array_equal(trial.predictions.array[fold.repeat, fold.test], expected)
    assert trial.cost.forward_passes == 2.0
    assert trial.cost.seconds >= 1.0
    assert trial.choices["folds"][1] == {"number": 1, "rows": [0, 1]}
    assert trial.digest == asked.backbone.digest


def test_arm_without_source() -> None:
    trial = run_folds(request(backbone=None), "majority", Arm(), folds=[0])
    assert (trial.strategy, trial.source, trial.digest, trial.status) == ("majority", None, "", "done")
    assert np.isnan(trial.predictions.array[1]).all()


def test_budget_is_asked_between_folds() -> None:
    clock = Clock()
    arm = Arm(clock, seconds=1.0)
    trial = run_folds(request(budget=Budget(2.5, clock)), "a", arm)
    # the third fold ends at 3 s: it was started because, by the real clock, folds take no time
    assert trial.status == "cut off"
    assert arm.calls == [0, 1, 2]
    assert trial.reason == "the time was used up after 3 of 6 folds"


def test_the_first_fold_which_warms_things_up_is_no_measure_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("headstart.strategies.shared._folds.time.monotonic", clock)
    arm = Arm(clock, seconds=0.1)

    def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict]:
        clock.now += 1.0 if number == 0 else 0.0
        return arm(request, fold, number)

    trial = run_folds(request(budget=Budget(2.4, clock)), "a", fit_fold)
    assert trial.status == "done"  # by the first fold's pace only two would have fitted


def test_first_fold_runs_in_any_case() -> None:
    clock = Clock()
    spent = Budget(1.0, clock)
    clock.now = 5.0
    arm = Arm()
    assert run_folds(request(budget=spent), "a", arm).status == "cut off"
    assert arm.calls == [0]


def test_a_fold_that_runs_out_of_time_is_not_done() -> None:
    def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict]:
        if number:
            raise OutOfTime
        return np.full((len(fold.test), 3), 1 / 3), {}

    trial = run_folds(request(), "a", fit_fold)
    assert trial.reason == "the time was used up after 1 of 6 folds"
    assert len(trial.choices["folds"]) == 1


class TestResume:
    def test_finished_folds_are_read(self, tmp_path: Path) -> None:
        asked = request(workdir=tmp_path / "new" / "arm")
        whole = run_folds(asked, "a", Arm())
        again = Arm()
        trial = run_folds(asked, "a", again)
        assert again.calls == []
        assert np.array_equal(whole.predictions.array, trial.predictions.array, equal_nan=True)
        assert whole.choices == trial.choices
        assert trial.cost.seconds == whole.cost.seconds

    @pytest.mark.parametrize("what", ["seed", "settings", "split", "labels", "arm", "about", "weights"])
    def test_not_when_something_has_changed(self, tmp_path: Path, what: str) -> None:
        asked = request(workdir=tmp_path)
        run_folds(asked, "a", Arm(), about="recipe 1")
        name, about = "a", "recipe 1"
        if what == "seed":
            asked = replace(asked, seed=1)
        elif what == "settings":
            asked = replace(asked, settings=Settings(label_map={"cat": "dog"}))
        elif what == "split":
            asked = replace(asked, split=folds(asked.dataset, parts=3, repeats=2, test=0.2, seed=1))
        elif what == "labels":
            y = np.array(asked.dataset.y)[::-1].copy()
            asked = replace(asked, dataset=replace(asked.dataset, targets=y))
        elif what == "weights":
            asked = replace(asked, backbone=TinyBackbone(3))
        else:
            name, about = ("b", about) if what == "arm" else (name, "recipe 2")
        again = Arm()
        run_folds(asked, name, again, about=about)
        assert again.calls == list(range(6))

    @pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
    def test_damaged_files_are_done_again(self, tmp_path: Path, damage: str) -> None:
        asked = request(workdir=tmp_path)
        whole = run_folds(asked, "a", Arm())
        path = tmp_path / "fold-0002.npz"
        data = path.read_bytes()
        if damage == "other":
            np.savez(path, predictions=np.zeros(3))
        else:
            path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"hello"}[damage])
        again = Arm()
        trial = run_folds(asked, "a", again)
        assert again.calls == [2]
        assert np.array_equal(whole.predictions.array, trial.predictions.array, equal_nan=True)

    def test_stored_folds_count_when_no_time_is_left(self, tmp_path: Path) -> None:
        asked = request(workdir=tmp_path)
        run_folds(asked, "a", Arm(), folds=range(4))
        trial = run_folds(replace(asked, budget=Budget(0.0)), "a", Arm())
        assert trial.reason == "the time was used up after 4 of 6 folds"

    def test_no_pickle(self, tmp_path: Path) -> None:
        run_folds(request(workdir=tmp_path), "a", Arm())
        with np.load(tmp_path / "fold-0000.npz", allow_pickle=False) as stored:
            assert {stored[name].dtype.kind for name in stored.files} == {"f", "u"}


def test_bad_predictions() -> None:
    def missing(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict]:
        return np.full((len(fold.test), 3), np.nan), {}

    def narrow(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict]:
        return np.zeros((len(fold.test), 2)), {}

    with pytest.raises(FloatingPointError, match="fold 0"):
        run_folds(request(), "a", missing)
    with pytest.raises(ValueError, match="expected"):
        run_folds(request(), "a", narrow)


def test_empty_trial() -> None:
    trial = empty_trial(request(), "tiny: direct", "not applicable", "no such labels")
    assert (trial.strategy, trial.source, trial.status) == ("direct", "tiny", "not applicable")
    assert trial.predictions.array.shape == (2, 18, 3)
    assert np.isnan(trial.predictions.array).all()


def test_the_same_weights_with_another_preparation_begin_anew(tmp_path: Path) -> None:
    ran = []

    def fit(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict]:
        ran.append(number)
        return np.zeros((len(fold.test), 3)), {}

    asked = request(workdir=tmp_path)
    assert asked.backbone is not None
    run_folds(asked, "tiny: probe", fit)
    before = len(ran)
    run_folds(asked, "tiny: probe", fit)
    assert len(ran) == before
    source = asked.backbone.source
    asked.backbone.source = replace(source, input=replace(source.input, crop_pct=0.5))
    run_folds(asked, "tiny: probe", fit)
    assert len(ran) == 2 * before
