"""The losses between domains, against their textbook formulas in numpy and against what gradients must do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from headstart.train.losses import adamatch, adversarial, conditional, coral, discrepancy, hypothesis, mcc

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(7, 3)) * 2


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(x, np.float64))


def test_mcc_is_the_papers_formula() -> None:
    p = softmax(Z / 2.5, axis=1)
    h = -(p * np.log(p)).sum(axis=1)
    w = len(p) * (1 + np.exp(-h)) / (1 + np.exp(-h)).sum()
    table = p.T @ np.diag(w) @ p
    table /= table.sum(axis=1, keepdims=True)
    found = mcc.confusion(tensor(Z)).numpy()
    assert np.allclose(found, table)
    assert np.allclose(found.sum(axis=1), 1)
    assert float(mcc.mcc(tensor(Z))) == pytest.approx((table.sum() - np.trace(table)) / 3)


def test_mcc_is_least_for_sure_predictions_and_finite_there() -> None:
    z = torch.eye(3, dtype=torch.float32).repeat(4, 1).mul(1e4).requires_grad_()
    loss = mcc.mcc(z)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    assert float(mcc.mcc(torch.zeros(6, 3))) == pytest.approx(2 / 3)


def test_coral_is_the_distance_of_covariances_over_4_d_squared() -> None:
    s, t = RNG.normal(size=(9, 4)), RNG.normal(size=(6, 4)) * 3 + 5
    wanted = ((np.cov(s.T) - np.cov(t.T)) ** 2).sum() / (4 * 4**2)
    assert float(coral.coral(tensor(s), tensor(t))) == pytest.approx(wanted)
    assert float(coral.coral(tensor(s), tensor(s + 7))) == pytest.approx(0, abs=1e-12)


def test_a_reversed_gradient_has_the_other_sign_and_the_weight() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = adversarial.reverse(x, 0.25)
    assert torch.equal(y, x)
    (3 * y).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [-0.75, -0.75]


def test_a_discriminator_goes_down_and_what_is_before_it_up() -> None:
    torch.manual_seed(0)
    x, judge = torch.randn(6, 2, requires_grad=True), torch.nn.Linear(2, 1)

    def loss(at: torch.Tensor) -> torch.Tensor:
        z = judge(at)[:, 0]
        return adversarial.domain_loss(z[:3], z[3:])

    before = loss(adversarial.reverse(x, 1.0))
    before.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert x.grad is not None
        assert loss(x - 0.1 * x.grad) > before
        for part in judge.parameters():
            assert part.grad is not None
            part.sub_(0.1 * part.grad)
        assert loss(x) < before


def test_the_domain_loss_is_cross_entropy_with_the_source_as_one() -> None:
    s, t = RNG.normal(size=5), RNG.normal(size=4)
    own, theirs = -np.log(1 / (1 + np.exp(-s))), -np.log(1 - 1 / (1 + np.exp(-t)))
    found = adversarial.domain_loss(tensor(s), tensor(t))
    assert float(found) == pytest.approx((own.mean() + theirs.mean()) / 2)
    w, v = RNG.random(5), RNG.random(4)
    found = adversarial.domain_loss(tensor(s), tensor(t), (tensor(w), tensor(v)))
    assert float(found) == pytest.approx((np.average(own, weights=w) + np.average(theirs, weights=v)) / 2)


def test_few_products_are_all_taken_and_many_are_random() -> None:
    torch.manual_seed(0)
    f, p = torch.randn(2, 5), torch.rand(2, 3)
    small = conditional.Multilinear(5, 3)
    assert np.allclose(small(f, p).numpy(), np.einsum("bd,bk->bdk", f, p).reshape(2, -1))
    assert conditional.Multilinear(64, 64).width == 4_096
    large = conditional.Multilinear(512, 9)
    assert large.width == conditional.RANDOM
    f, g, p, q = torch.randn(1, 512), torch.randn(1, 512), torch.rand(1, 9), torch.rand(1, 9)
    # random products keep the inner product of the outer ones, on average
    wanted = float((f @ f.T) * (p @ p.T))
    assert float(large(f, p) @ large(f, p).T) == pytest.approx(wanted, rel=0.3)
    assert abs(float(large(f, p) @ large(g, q).T)) < 0.3 * wanted


def test_the_discrepancy_is_the_mean_difference_of_probabilities() -> None:
    other = RNG.normal(size=Z.shape)
    wanted = np.abs(softmax(Z, axis=1) - softmax(other, axis=1)).mean()
    assert float(discrepancy.discrepancy(tensor(Z), tensor(other))) == pytest.approx(wanted)


def test_information_wants_sure_and_varied_predictions() -> None:
    p = softmax(Z, axis=1)
    mean = p.mean(axis=0)
    wanted = -(p * np.log(p)).sum(axis=1).mean() + (mean * np.log(mean)).sum()
    assert float(hypothesis.information(tensor(Z))) == pytest.approx(wanted)
    sure = 50 * torch.eye(3, dtype=torch.float64)
    assert float(hypothesis.information(sure)) == pytest.approx(-np.log(3), abs=1e-6)
    assert float(hypothesis.information(sure[:1].repeat(3, 1))) == pytest.approx(0, abs=1e-6)


def brute_centres(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """SHOT's labels, item by item as the paper has them."""
    x = np.array([np.append(row, 1) / np.linalg.norm(np.append(row, 1)) for row in x])

    def nearest(heft: np.ndarray) -> np.ndarray:
        centres = [
            sum(h * row for h, row in zip(heft[:, k], x, strict=True)) / (heft[:, k].sum() + 1e-8)
            for k in range(p.shape[1])
        ]
        apart = [[1 - row @ c / max(np.linalg.norm(c), 1e-12) for c in centres] for row in x]
        return np.argmin(apart, axis=1)

    return nearest(np.eye(p.shape[1])[nearest(p)])


def test_pseudo_labels_are_the_nearest_centres_twice() -> None:
    centres = np.array([[3.0, 0], [0, 3], [-3, -3]])
    y = np.arange(30) % 3
    x = centres[y] + 0.5 * RNG.normal(size=(30, 2))
    p = softmax(1.5 * np.eye(3)[y] + RNG.normal(size=(30, 3)), axis=1)
    found = hypothesis.pseudo_labels(x, p)
    assert np.array_equal(found, brute_centres(x, p))
    assert (found == y).mean() > (p.argmax(axis=1) == y).mean()


def test_a_class_that_nothing_is_said_to_be_is_no_pseudo_label() -> None:
    x, p = RNG.normal(size=(12, 2)), softmax(RNG.normal(size=(12, 3)), axis=1)
    p[:, 2] = 0.01
    assert 2 not in hypothesis.pseudo_labels(x, p)


def test_adamatch_aligns_counts_the_sure_and_learns_from_the_strong_views_alone() -> None:
    source, weak, strong = RNG.normal(size=(5, 3)), 3 * RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3))
    p, q = softmax(weak, axis=1), softmax(source, axis=1)
    moved = p * q.mean(axis=0) / p.mean(axis=0)
    moved /= moved.sum(axis=1, keepdims=True)
    kept = moved.max(axis=1) >= 0.9 * q.max(axis=1).mean()
    assert kept.sum() > 0
    each = -np.log(softmax(strong, axis=1))[np.arange(6), moved.argmax(axis=1)]
    parts = [tensor(z).requires_grad_() for z in (weak, strong, source)]
    found = adamatch.adamatch(*parts)
    assert found.item() == pytest.approx((each * kept).mean())
    found.backward()  # type: ignore[no-untyped-call]
    assert parts[0].grad is None
    assert parts[2].grad is None
    assert parts[1].grad is not None
    assert np.array_equal(parts[1].grad.abs().sum(1).numpy() > 0, kept)
