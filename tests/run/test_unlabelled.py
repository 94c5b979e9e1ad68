"""fit with items that have no label, from folders to a model: the mean with the probe is measured, told and ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import headstart as hs
from headstart.evidence import selection
from headstart.run.state.folder import RunFolder
from warm import prove_here

pytestmark = pytest.mark.slow


def test_three_arms_are_told_and_the_mean_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    prove_here(monkeypatch)
    x, y = load_digits(return_X_y=True)
    kept = np.flatnonzero(y < 3)[:120]
    for place, row in enumerate(kept):
        folder = tmp_path / ("data" if place < 20 else "free") / (str(y[row]) if place < 20 else "")
        folder.mkdir(parents=True, exist_ok=True)
        picture = (x[row].reshape(8, 8) * 15.9).astype(np.uint8)
        Image.fromarray(picture).resize((32, 32)).save(folder / f"{row}.png")
    # whatever so few labels say
    monkeypatch.setattr(selection, "winner", lambda trials, _: next(n for n in trials if n.endswith("voted")))
    run = hs.fit(
        tmp_path / "data", unlabelled=tmp_path / "free", sources=["bundled/strokes"],
        strategies=["probe", "voted"], budget=60, out=tmp_path / "run",
    )  # fmt: skip
    answer = run.record["answer"]
    assert answer["winner"] == "strokes: voted"
    assert [one["what"] for one in answer["unlabelled"]] == [
        "labels alone, frozen", "labels alone, fine-tuned", "with items without a label",
    ]  # fmt: skip
    trials = RunFolder(tmp_path / "run").trials()
    assert trials["strokes: voted"].choices["members"] == ["strokes: probe"]
    said = run.model.predict(tmp_path / "free").answers
    truth = [str(y[row]) for row in sorted(kept[20:], key=lambda row: f"{row}.png")]
    assert np.mean(np.array(said) == truth) > 0.8
