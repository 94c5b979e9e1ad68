from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from headstart import tasks
from headstart.measure.ridge import one_hot
from headstart.tasks import _linear
from headstart.tasks._many import fit_many


def blobs(n: int, classes: int, width: int = 40, spread: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    means = rng.normal(size=(classes, width))
    return means[y] + spread * rng.normal(size=(n, width)), y


def test_chooses_labels_as_well_as_logistic_regression() -> None:
    x, y = blobs(1200, 60)
    train, test = np.arange(600), np.arange(600, 1200)
    weight, bias, _ = fit_many(x[train], one_hot(y[train], 60))
    logits = x[test] @ weight.T + bias
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    peer = LogisticRegression(C=0.05, max_iter=500).fit(x[train], y[train])
    assert (p.argmax(axis=1) == y[test]).mean() > peer.score(x[test], y[test]) - 0.03
    assert log_loss(y[test], p) < np.log(60) / 2  # probabilities mean something


def test_several_labels_an_item() -> None:
    x, y = blobs(400, 8)
    targets = one_hot(y, 8) + one_hot((y + 1) % 8, 8)
    weight, bias, _ = fit_many(x, targets)
    assert (((x @ weight.T + bias) > 0) == (targets > 0)).mean() > 0.9


def test_enormous_problems_come_here(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = blobs(300, 6)
    monkeypatch.setattr(_linear, "MANY", 1)
    linear = tasks.get("classification").fit_linear(x, y, outputs=6)
    assert (linear.logits(x).argmax(axis=1) == y).mean() > 0.95
