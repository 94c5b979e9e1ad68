"""Speech from frozen steps: the loss against every path there is, and what a head makes of tones."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

import headstart as hs
from headstart import sources, strategies, tasks
from headstart.core.strategy import Request, Settings
from headstart.data.splits import make_split
from headstart.measure.texts.paths import collapsed
from headstart.modalities import audio
from headstart.modalities.audio import Recording
from headstart.nets.ctc import SURE, Head, said
from headstart.passes.extractor import StoreExtractor
from headstart.predict.predictor import predict
from headstart.store.store import FeatureStore
from headstart.train.losses.ctc import ctc_loss


def test_the_loss_is_the_sum_over_all_paths() -> None:
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(size=(3, 5, 3)).astype(np.float32)).log_softmax(-1)
    targets = torch.tensor([[1, 2, -1], [1, 1, -1], [2, 1, 2]])
    found = ctc_loss(z, targets).numpy() * 7 / 3
    for row, wanted in enumerate([[1, 2], [1, 1], [2, 1, 2]]):
        paths = [path for path in product(range(3), repeat=5) if collapsed(list(path)) == wanted]
        total = sum(
            np.exp(sum(float(z[row, step, sign]) for step, sign in enumerate(path))) for path in paths
        )
        np.testing.assert_allclose(found[row], -np.log(total), rtol=1e-5)


def test_steps_behind_the_end_change_nothing() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head, steps = Head(4, 3), torch.randn(2, 9, 4)
    mask = torch.arange(9) < torch.tensor([[6], [9]])
    z, targets = head(steps, mask), torch.tensor([[1, 2], [2, -1]])
    alone = head(steps[:1, :6], mask[:1, :6])
    torch.testing.assert_close(z[:1, :6], alone)
    assert (z[0, 6:, 0] == 0).all()
    assert (z[0, 6:, 1:] == SURE).all()
    torch.testing.assert_close(ctc_loss(z[:1], targets[:1]), ctc_loss(alone, targets[:1]))


def test_what_is_said() -> None:
    paths = np.eye(4)[[0, 1, 1, 0, 1, 2, 2, 3, 0, 3, 1, 3]]
    assert said(paths, ["a", "b", " "]) == "aab a"


PITCHES = {"a": 300.0, "b": 900.0, "c": 2700.0}
RATE = 8_000


def sung(text: str, rng: np.random.Generator, pause: float = 0.08) -> np.ndarray:
    """A tone for each letter, with pauses between them."""
    parts: list[np.ndarray] = []
    for letter in text:
        time = np.arange(round(rng.uniform(0.15, 0.25) * RATE)) / RATE
        parts += [0.3 * np.sin(2 * np.pi * PITCHES[letter] * time), np.zeros(round(pause * RATE))]
    sound = np.concatenate(parts)
    return np.asarray(sound + rng.normal(0, 0.003, len(sound)), np.float32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(the trial of songs of three letters, the model of all of them)"""
    pytest.importorskip("soundfile")
    pytest.importorskip("soxr")
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list(PITCHES), rng.integers(2, 6))) for _ in range(40)]
    data = hs.load([(sung(text, rng), RATE) for text in texts], labels=texts, task="transcribe")
    assert data.task is not None
    store = StoreExtractor(FeatureStore(tmp_path_factory.mktemp("store")), data)
    split = make_split(data)
    split = replace(split, folds=split.folds[:1])
    asked = Request(
        data, data.task, split, store, sources.load("bundled/tones"), settings=Settings(epochs=14)
    )
    arm = strategies.get("probe", data.task)
    trial = arm.fit(asked)
    return asked, trial, arm.refit(asked, trial)


def test_a_head_on_frozen_steps_hears_letters(trained: Any) -> None:
    asked, trial, _ = trained
    assert trial.status == "done"
    rows = asked.split.folds[0].test
    assert trial.covered[asked.split.folds[0].repeat, rows].all()
    heard = trial.predictions.take(asked.split.folds[0].repeat, rows)
    assert tasks.score_of(asked.task).value(asked.dataset.targets[rows], heard) < 0.5
    assert trial.choices["folds"][0]["alphabet"] == "abc"


def test_a_long_recording_is_heard_in_windows(trained: Any) -> None:
    """Each as if it stood alone, and told with its moments."""
    model, rng = trained[2], np.random.default_rng(7)
    gap = rng.normal(0, 0.003, 14 * RATE).astype(np.float32)
    samples = np.concatenate([piece for text in ("abc", "cab", "bca") for piece in (sung(text, rng), gap)])
    opened = Recording(samples, RATE, len(samples) / RATE)
    windows = audio.windows(opened, model.input)
    alone = predict(model, [(part.samples, RATE) for _, _, part in windows])
    assert not any(one.segments for one in alone)
    (whole,) = predict(model, [(samples, RATE)])
    assert [one.text for one in whole.segments] == [one.answer for one in alone]
    assert whole.answer == " ".join(one.text for one in whole.segments)
    assert [(one.start, one.end) for one in whole.segments] == [(start, end) for start, end, _ in windows]
    assert len(windows) == 2
    assert whole.segments[0].to_json() == {
        "start": 0.0, "end": round(windows[0][1], 2), "text": alone[0].answer,
    }  # fmt: skip


def test_windows_end_where_it_is_quiet_and_leave_nothing_out() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.3, 75 * RATE).astype(np.float32)
    samples[27 * RATE : 28 * RATE] = 0
    opened = Recording(samples, RATE, 75.0)
    found = audio.windows(opened, audio.AudioPreprocessing("whisper"))
    assert 27 <= found[0][1] <= 28
    assert all(end - start <= 30 for start, end, _ in found)
    assert [end for _, end, _ in found[:-1]] == [start for start, _, _ in found[1:]]
    assert np.array_equal(np.concatenate([part.samples for _, _, part in found]), samples)
    assert (
        len(audio.windows(Recording(samples[: 30 * RATE], RATE, 30.0), audio.AudioPreprocessing("whisper")))
        == 1
    )
