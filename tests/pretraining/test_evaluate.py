from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pretraining.evaluate import digits, features, logistic, probe, view, zipped
from pretraining.generators.base import seeded
from sklearn.linear_model import LogisticRegression

from headstart.sources.networks.small import build


def trunk() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build({"widths": [8, 16, 16, 16]}, 0).eval()


def test_logistic_regression_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    x = rng.normal(size=(60, 8)) + y[:, None]
    z = (x - x.mean(0)) / x.std(0, ddof=1)
    # mean loss + s / 2 |w|^2 is scikit-learn's with C = 1 / (s n)
    reference = LogisticRegression(C=1 / (0.1 * 60), tol=1e-8, max_iter=1000).fit(z, y)
    model = logistic(torch.tensor(x).float(), torch.tensor(y), 3, 0.1)
    found = model(torch.tensor(x).float()).softmax(1).numpy()
    np.testing.assert_allclose(found, reference.predict_proba(z), atol=2e-3)


def test_features_have_the_width_of_their_taps() -> None:
    found = features(trunk(), torch.rand(3, 3, 32, 32), ["stage1/g4", "stage4/g1"])
    assert {tap: tuple(x.shape) for tap, x in found.items()} == {"stage1/g4": (3, 128), "stage4/g1": (3, 16)}


def test_views_are_seeded_and_stay_pictures() -> None:
    pictures = torch.rand(4, 3, 32, 32)
    for glyphs in (True, False):
        one, two = (view(pictures, seeded(1), glyphs=glyphs) for _ in range(2))
        assert torch.equal(one, two)
        assert one.shape == pictures.shape
        assert one.min() >= 0
        assert one.max() <= 1


def test_even_random_weights_know_some_digits() -> None:
    accuracy = probe(trunk(), digits(), 5, draws=1, views=1)
    assert accuracy.shape == (1,)
    assert 0.5 < accuracy[0] < 1


def test_photos_are_read(shared: Path) -> None:
    target = zipped(shared / "data" / "cifar10_small")
    assert target.pictures.shape == (7000, 3, 32, 32)
    assert target.test.sum() == 2000
    assert len(set(target.labels.tolist())) == 10
