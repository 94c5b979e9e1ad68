"""Validators: by brute force, and by what they are known to get wrong."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from headstart.measure import validators

SURE = np.eye(3)[np.arange(60) % 3] * 0.97 + 0.01
COLLAPSED = np.tile(SURE[:1], (60, 1))
FLAT = np.full((60, 3), 1 / 3)


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y, said = rng.choice(4, 200, p=[0.6, 0.2, 0.1, 0.1]), rng.integers(4, size=200)
    assert validators.balanced(y, said, 5) == pytest.approx(balanced_accuracy_score(y, said))


def test_bnm_wants_sure_and_varied_answers() -> None:
    sure, collapsed, flat = map(validators.bnm, (SURE, COLLAPSED, FLAT))
    assert sure == pytest.approx(0.96, abs=0.02)
    assert sure > collapsed > flat


def test_information() -> None:
    assert validators.information(np.eye(3)) == pytest.approx(np.log(3))
    assert validators.information(COLLAPSED) == pytest.approx(0, abs=1e-9)


def test_snd_is_its_formula_and_likes_a_collapse() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), 20)
    entropies = []
    for i in range(20):
        near = np.array(
            [p[i] @ p[j] / np.linalg.norm(p[i]) / np.linalg.norm(p[j]) / 0.05 for j in range(20) if j != i]
        )
        share = np.exp(near) / np.exp(near).sum()
        entropies.append(-(share * np.log(share)).sum())
    assert validators.snd(p) == pytest.approx(np.mean(entropies))
    assert validators.snd(COLLAPSED) > validators.snd(SURE)


@pytest.mark.parametrize("seed", range(3))
def test_answers_for_noise_are_no_surer_than_for_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    head = rng.normal(size=(8, 3))

    def answers(x: np.ndarray) -> np.ndarray:
        z = np.exp(x @ head)
        return z / z.sum(axis=1, keepdims=True)

    head = np.linalg.qr(head)[0] * 3
    noise = rng.normal(size=(400, 8)) @ rng.normal(size=(8, 8))
    classes = rng.normal(size=(400, 8)) * 0.5 + head.T[rng.integers(3, size=400)]
    assert validators.surer_than_noise(answers(noise)) < 3 < validators.surer_than_noise(answers(classes))


def test_agreement_is_cohens_kappa() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 300)
    b = np.where(rng.random(300) < 0.6, a, rng.integers(0, 4, 300))
    assert validators.agreement(a, b, 4) == pytest.approx(cohen_kappa_score(a, b))
    assert validators.agreement(a, a, 4) == pytest.approx(1.0)
