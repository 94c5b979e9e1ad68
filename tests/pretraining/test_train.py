from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
import torch
from pretraining.publish import publish
from pretraining.recipe import CONFIGS, Recipe, read
from pretraining.train import Training, schedule, train
from safetensors.torch import load_file

from headstart.sources.networks.small import build

KWARGS = {"widths": [8, 8, 8, 16]}
TINY = Recipe(
    name="tiny",
    shares={"strokes": 0.5, "spectrum": 0.5},
    note="good at tests, bad at all else",
    classes=6,
    images=6 * 16,
    kwargs=KWARGS,
    batch=16,
    cutmix=0.5,
    deep=0.3,
)


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_every_recipe_can_be_read() -> None:
    names = [read(path).name for path in sorted(CONFIGS.glob("*.json"))]
    assert names == sorted(path.stem for path in CONFIGS.glob("*.json"))
    assert "strokes" in names


def test_a_recipe_with_a_slip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"name": "x", "shares": {"fonts": 1}, "note": "", "ratee": 1}))
    with pytest.raises(ValueError, match="fonts, ratee"):
        read(path)


def test_the_schedule_warms_up_and_comes_down() -> None:
    assert schedule(0.0) == pytest.approx(0.02)
    assert schedule(0.05) == pytest.approx(1.0)
    assert schedule(0.525) == pytest.approx(0.5)
    assert schedule(1.0) == pytest.approx(0.0)


def test_training_stops_and_goes_on_exactly(tmp_path: Path) -> None:
    straight = Training(TINY)
    for _ in range(6):
        straight.advance()
    first = Training(TINY)
    for _ in range(3):
        first.advance()
    first.save(tmp_path / "checkpoint.pt")
    second = Training(TINY)
    second.resume(tmp_path / "checkpoint.pt")
    for _ in range(3):
        second.advance()
    assert second.step == 6
    for name, value in straight.average.items():
        assert torch.equal(value, second.average[name]), name
    for name, value in straight.pupil.state_dict().items():
        assert torch.equal(value, second.pupil.state_dict()[name]), name


def test_a_few_steps_teach_something() -> None:
    easier = {"cutmix": 0.0, "smoothing": 0.0, "deep": 0.0, "rate": 0.1}
    training = Training(dataclasses.replace(TINY, images=80 * 32, batch=32, **easier))  # type: ignore[arg-type]
    training.advance()
    start = training.loss
    while training.step < training.recipe.steps:
        training.advance()
    assert training.loss < start - 0.2


def test_published_source_verifies(tmp_path: Path) -> None:
    training = train(TINY, tmp_path / "work", minute=0.0)
    path = publish(training, out=tmp_path / "out", table={"digits 5/class": 12.3})
    told = json.loads(path.read_text())
    data = path.with_suffix(".safetensors").read_bytes()
    assert told["sha256"] == hashlib.sha256(data).hexdigest()
    assert told["recipe"]["images"] == 96
    assert told["table"] == {"digits 5/class": 12.3}
    tensors = load_file(path.with_suffix(".safetensors"))
    assert all(value.dtype == torch.float16 for value in tensors.values())
    trunk = build(told["kwargs"], 0)
    _, unexpected = trunk.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert sum(p.numel() for p in trunk.parameters()) == told["parameters"]
    x = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(trunk.eval()(x), training.trunk()(x), rtol=2e-2, atol=2e-2)
    lines = (tmp_path / "work" / "tiny" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 6
    assert json.loads(lines[-1])["images"] == 96


def test_too_large_a_source_is_not_published(tmp_path: Path) -> None:
    training = Training(dataclasses.replace(TINY, kwargs={"widths": [64, 128, 256, 300]}))
    with pytest.raises(ValueError, match="more than"):
        publish(training, out=tmp_path, table={})
    assert not list(tmp_path.iterdir())
