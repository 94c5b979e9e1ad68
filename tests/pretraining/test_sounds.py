from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pretraining.sounds.formulas import FAMILIES
from pretraining.sounds.stream import Stream
from pretraining.sounds.train import Recipe, Training, publish, rate_at
from pretraining.sounds.waves import CONTRACT, LENGTH, RATE, Draw, spectrograms

from headstart import modalities
from headstart.modalities.audio.decoding._decode import Recording
from headstart.sources.providers import bundled

TINY = Recipe(name="tiny", batch=8, steps=4, widths=(4, 6, 8))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_decides_the_sounds_of_a_family(name: str) -> None:
    numbers, make = FAMILIES[name]
    rows = torch.arange(6)
    table = {key: value[rows] for key, value in numbers(Draw(1)).items()}
    one, two, other = (make(Draw(seed), table) for seed in (2, 2, 3))
    assert one.shape == (6, LENGTH)
    assert one.isfinite().all()
    assert (one.std(1) > 1e-4).all()
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_batches_go_on_and_are_mixed() -> None:
    one, two = Stream(1), Stream(1)
    first, second = one.batch(32), one.batch(32)
    assert torch.equal(first.frames, two.batch(32).frames)
    assert not torch.equal(first.frames, second.frames)
    assert first.frames.isfinite().all()
    assert 0 < (first.share < 1).sum() < 16
    for table in one.traits:
        assert table.isfinite().all()
        assert table.mean(0).abs().max() < 1e-4


def test_what_it_learns_from_is_prepared_as_recordings_are() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, LENGTH).astype(np.float32)
    prepared = modalities.get("audio").prepare(Recording(wave, RATE, LENGTH / RATE), CONTRACT)
    found = spectrograms(torch.from_numpy(wave)[None])[0].numpy()
    assert found.shape == (CONTRACT.mels, 128)
    np.testing.assert_allclose(
        found[:, :-2], prepared[:-1, :-2], atol=1e-3
    )  # the end is reflected, or silence


def test_the_schedule_begins_at_nothing() -> None:
    assert [rate_at(part) for part in (0.0, 0.025)] == [0.0, 0.5]
    assert rate_at(1.0) == pytest.approx(0.0)


def test_what_was_trained_is_published_and_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.random.get_rng_state()
    one, two = Training(TINY), Training(TINY)
    losses = [one.advance() for _ in range(TINY.steps)]
    assert losses == [two.advance() for _ in range(TINY.steps)]
    assert np.isfinite(losses).all()
    assert torch.equal(before, torch.random.get_rng_state())
    path = publish(one.average, TINY, one.step, {"esc10": 1.0}, tmp_path)
    told = json.loads(path.read_text())
    assert told["sha256"] == hashlib.sha256(path.with_suffix(".safetensors").read_bytes()).hexdigest()
    assert told["recipe"]["sounds"] == 32
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    source = bundled.find("bundled/tiny", "tiny")
    assert source.input == CONTRACT
    state = bundled.load(source).module.state_dict()
    assert sum(p.numel() for p in one.trunk.parameters()) == told["parameters"]
    for name, value in one.average.items():
        assert torch.allclose(state[name].float(), value.float(), atol=2e-3, rtol=2e-3), name
