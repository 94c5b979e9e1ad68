"""Doubted labels on a real probe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import headstart as hs
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.task import Task
from headstart.insight import mistakes
from headstart.tasks.classification import Classification


@pytest.mark.slow
def test_flipped_digits_are_doubted_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 % of 400 labels are flipped; the probe is a linear model on a bundled source."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    raw, truth = load_digits(return_X_y=True)
    pictures = np.round(255 * raw[:400].reshape(-1, 8, 8) / 16).astype(np.uint8)
    features, truth = hs.embed(list(pictures), "bundled/strokes"), truth[:400]
    rng = np.random.default_rng(0)
    planted = rng.permutation(400)[:20]
    flipped = truth.copy()
    flipped[planted] = (truth[planted] + rng.integers(1, 10, 20)) % 10
    part = rng.permutation(400) % 4
    items = tuple(ArrayItem(str(i), picture) for i, picture in enumerate(pictures))

    def doubted(y: np.ndarray) -> list[int]:
        p, methods = np.empty((400, 10)), Classification()
        for number in range(4):
            own = part == number
            linear = methods.fit_linear(features[~own], y[~own], outputs=10, penalties=[0.01])
            p[own] = methods.activate(linear.logits(features[own].astype(np.float64)))
        task = Task("classification", tuple("0123456789"), "accuracy")
        dataset = Dataset("digits", "image", items, task, y)
        return [one["row"] for one in mistakes.label_errors(dataset, task, np.arange(400), p)]

    found = doubted(flipped)
    assert np.isin(found, planted).mean() > 0.7
    assert np.isin(planted, found).mean() > 0.6
    assert len(doubted(truth)) <= 6
