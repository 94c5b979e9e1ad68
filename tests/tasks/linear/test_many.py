from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from headstart import tasks
from headstart.measure.ridge import one_hot
from headstart.tasks import linear as _linear
from headstart.tasks.linear import _many
from headstart.tasks.linear._many import fit_many


def blobs(n: int, classes: int, width: int = 40, spread: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    means = rng.normal(size=(classes, width))
    return means[y] + spread * rng.normal(size=(n, width)), y


def test_chooses_labels_as_well_as_logistic_regression() -> None:
    x, y = blobs(1200, 60)
    train, test = np.arange(600), np.arange(600, 1200)
    logits = fit_many(x[train], one_hot(y[train], 60)).logits(x[test])
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    peer = LogisticRegression(C=0.05, max_iter=500).fit(x[train], y[train])
    assert (p.argmax(axis=1) == y[test]).mean() > peer.score(x[test], y[test]) - 0.03
    assert log_loss(y[test], p) < np.log(60) / 2  # probabilities mean something


def test_several_labels_an_item() -> None:
    x, y = blobs(400, 8)
    targets = one_hot(y, 8) + one_hot((y + 1) % 8, 8)
    assert ((fit_many(x, targets).logits(x) > 0) == (targets > 0)).mean() > 0.9


def test_enormous_problems_come_here(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = blobs(300, 6)
    monkeypatch.setattr(_linear, "MANY", 1)
    linear = tasks.get("classification").fit_linear(x, y, outputs=6)
    assert linear.ridge
    assert (linear.logits(x).argmax(axis=1) == y).mean() > 0.95


def test_a_model_says_how_it_was_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes are one column: a problem of that size is not solved as one of two."""
    x, y = blobs(60, 2)
    monkeypatch.setattr(_linear, "MANY", 1.5 * x.size)
    methods = tasks.get("classification")
    assert not methods.fit_linear(x, y, outputs=2).ridge
    assert methods.fit_linear(
        np.concatenate([x, x]), np.concatenate([y, y]), outputs=2
    ).ridge  # rows of views count
    assert tasks.get("multilabel").fit_linear(x, one_hot(y, 2), outputs=2).ridge
    assert tasks.get("regression").fit_linear(x, y.astype(float), outputs=1).ridge


@pytest.mark.parametrize("grouped", [False, True])
def test_many_labels_at_a_time_or_all_at_once_are_one_model(
    monkeypatch: pytest.MonkeyPatch, grouped: bool
) -> None:
    x, y = blobs(600, 100)
    groups = np.arange(600) // 2 if grouped else None
    whole = fit_many(x, one_hot(y, 100), groups=groups)
    monkeypatch.setattr(_many, "CELLS", 5_000)
    monkeypatch.setattr(_many, "FEWEST", 600)
    parts = fit_many(x, sparse.csr_array(one_hot(y, 100)), groups=groups)
    assert parts.penalty == whole.penalty
    np.testing.assert_allclose(parts.logits(x), whole.logits(x), atol=1e-9)
    monkeypatch.setattr(_many, "FEWEST", 300)
    fewer = fit_many(x, one_hot(y, 100), groups=groups)
    np.testing.assert_allclose(
        fewer.weight / np.abs(fewer.weight).max(), whole.weight / np.abs(whole.weight).max()
    )
    assert np.abs(fewer.weight).max() == pytest.approx(np.abs(whole.weight).max(), rel=0.3)
