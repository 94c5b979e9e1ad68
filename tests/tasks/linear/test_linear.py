"""The linear probes against scikit-learn, and on everything that can be wrong with features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from headstart import tasks
from headstart.errors import DataError
from headstart.tasks import regression
from headstart.tasks.linear import _kernel, _logistic, inner_folds

CLASSIFICATION, MULTILABEL, REGRESSION = (
    tasks.get(k) for k in ("classification", "multilabel", "regression")
)


def blobs(n: int, width: int, classes: int, *, seed: int = 0, apart: float = 1.0):
    """Overlapping classes with correlated, unevenly scaled features."""
    rng = np.random.default_rng(seed)
    spread = 1 / np.arange(1, width + 1) ** 0.7
    y = rng.permutation(np.arange(n) % classes)
    means = apart * rng.normal(size=(classes, width)) * spread
    latent = rng.normal(size=(n, width)) * spread + means[y]
    mixed = latent @ rng.normal(size=(width, width)) / np.sqrt(width)
    return (5 + 3 * mixed).astype(np.float32), y


def reference(features: np.ndarray, y: np.ndarray, C: float) -> tuple[StandardScaler, LogisticRegression]:
    scaler = StandardScaler().fit(features.astype(np.float64))
    model = LogisticRegression(C=C, tol=1e-9, max_iter=20_000)
    return scaler, model.fit(scaler.transform(features.astype(np.float64)), y)


@pytest.mark.parametrize(
    ("n", "width", "classes"),
    [(60, 10, 2), (60, 10, 4), (40, 200, 2), (40, 200, 5), (300, 30, 3), (30, 1, 2)],
)
@pytest.mark.parametrize("C", [1e-3, 1e-1, 10.0])
def test_solution_is_that_of_scikit_learn(n: int, width: int, classes: int, C: float) -> None:
    features, y = blobs(n, width, classes)
    found = CLASSIFICATION.fit_linear(features, y, outputs=classes, penalties=[C])
    scaler, model = reference(features, y, C)
    expected = model.predict_proba(scaler.transform(features.astype(np.float64)))
    ours = CLASSIFICATION.activate(found.logits(features.astype(np.float64)))
    np.testing.assert_allclose(ours, expected, atol=2e-5)
    assert found.penalty == C


def test_wide_and_tall_without_a_full_basis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_logistic, "SMALL", 20)
    monkeypatch.setattr(_logistic, "LEADING", 12)
    for n, width in ((200, 60), (60, 80)):
        features, y = blobs(n, width, 4)
        assert _logistic.design(features).axes is not None
        found = CLASSIFICATION.fit_linear(features, y, outputs=4, penalties=[0.1])
        scaler, model = reference(features, y, 0.1)
        expected = model.predict_proba(scaler.transform(features.astype(np.float64)))
        ours = CLASSIFICATION.activate(found.logits(features.astype(np.float64)))
        np.testing.assert_allclose(ours, expected, atol=2e-5)


def test_multi_label_is_one_regression_a_label() -> None:
    features, _ = blobs(80, 12, 2)
    rng = np.random.default_rng(1)
    y = (features[:, :3] + rng.normal(size=(80, 3)) > [5, 6, 4]).astype(np.float32)
    found = MULTILABEL.fit_linear(features, y, outputs=3, penalties=[0.2])
    for label in range(3):
        scaler, model = reference(features, y[:, label], 0.2)
        expected = model.decision_function(scaler.transform(features.astype(np.float64)))
        np.testing.assert_allclose(found.logits(features.astype(np.float64))[:, label], expected, atol=1e-4)


def test_regression_is_ridge_by_leave_one_out() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(60, 20)) * np.linspace(1, 9, 20)
    y = features[:, 0] + rng.normal(size=60)
    found = REGRESSION.fit_linear(features, y, outputs=1)
    scaler = StandardScaler().fit(features)
    singular = np.linalg.svd(scaler.transform(features), compute_uv=False) ** 2
    grid = singular.mean() * 10.0 ** (np.arange(-12, 7) / 2)
    model = RidgeCV(alphas=grid).fit(scaler.transform(features), y)
    assert found.penalty == pytest.approx(model.alpha_)
    expected = model.predict(scaler.transform(features))
    np.testing.assert_allclose(found.logits(features)[:, 0], expected, atol=1e-8)


@pytest.mark.parametrize("grouped", [False, True])
def test_of_many_rows_some_choose_the_ridge_and_say_how_surely(
    grouped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, y = blobs(1_500, 40, 2, apart=0.2)
    y = y + 0.3 * features[:, 0].astype(np.float64)
    groups = np.arange(1_500) // 2 if grouped else None
    whole = REGRESSION.fit_linear(features, y, outputs=1, groups=groups)
    assert whole.sampled is None
    assert "C_by" not in whole.choices
    monkeypatch.setattr(regression, "CHOOSING", 600)
    found = REGRESSION.fit_linear(features, y, outputs=1, groups=groups)
    assert found.sampled is not None
    assert found.choices["C_by"] == {"rows": 600, "error": found.sampled.error}
    assert 0.01 < found.sampled.error < 0.2
    same = REGRESSION.fit_linear(features, y, outputs=1, penalties=[found.penalty])
    assert same.sampled is None
    np.testing.assert_allclose(found.weight, same.weight, rtol=1e-6)
    np.testing.assert_allclose(found.bias, same.bias, rtol=1e-6)
    left = [y - one.logits(features.astype(np.float64))[:, 0] for one in (found, whole)]
    assert np.mean(left[0] ** 2) < 1.05 * np.mean(left[1] ** 2)


def test_chosen_penalty_is_about_as_good_as_any() -> None:
    features, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))
    train, test = rows[:400], rows[400:]
    found = CLASSIFICATION.fit_linear(features[train], y[train], outputs=10)
    ours = log_loss(y[test], CLASSIFICATION.activate(found.logits(features[test])))
    others = []
    for C in 10.0 ** np.arange(-4, 2):
        scaler, model = reference(features[train], y[train], C)
        others.append(log_loss(y[test], model.predict_proba(scaler.transform(features[test]))))
    assert ours < 1.1 * min(others)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([(60, 10, 4), (120, 200, 3), (90, 30, 2)]),
    st.floats(0.2, 2.0),
    st.integers(0, 2**32 - 1),
)
def test_a_penalty_is_chosen_in_single_precision_as_in_double(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int], apart: float, seed: int
) -> None:
    n, width, classes = shape
    features, y = blobs(n, width, classes, seed=seed, apart=apart)
    found = []
    for light in (0, np.inf):
        monkeypatch.setattr("headstart.tasks.linear.LIGHT", light)
        found.append(CLASSIFICATION.fit_linear(features, y, outputs=classes))
    single, double = found
    assert single.penalty == double.penalty
    given_p, wanted = (CLASSIFICATION.activate(m.logits(features.astype(np.float64))) for m in found)
    np.testing.assert_allclose(given_p, wanted, atol=1e-5)


@pytest.mark.parametrize(("n", "width", "classes"), [(60, 10, 2), (200, 300, 4), (400, 600, 10)])
def test_a_rough_fit_gives_about_the_same_answers(n: int, width: int, classes: int) -> None:
    features, y = blobs(n, width, classes)
    x = features.astype(np.float64)
    rough, fine = (
        CLASSIFICATION.activate(
            CLASSIFICATION.fit_linear(
                features, y, outputs=classes, penalties=[10 / width], rough=rough
            ).logits(x)
        )
        for rough in (True, False)
    )
    assert 0 < np.abs(rough - fine).max() < 0.02


@pytest.mark.parametrize(("link", "classes"), [("softmax", 5), ("sigmoid", 3)])
@pytest.mark.parametrize(("step", "within"), [(-2, 2e-4), (1, 2e-3), (2, 2e-2)])
@pytest.mark.parametrize("weighted", [False, True])
def test_products_of_rows_give_the_solution_of_each_part(
    link: _logistic.Link, classes: int, step: float, within: float, weighted: bool
) -> None:
    features, y = blobs(90, 150, classes)
    y[:50] = 0  # one is common
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.2, 3.0, 90) if weighted else np.ones(90)
    targets = np.eye(classes)[y]
    parts = _logistic.Parts(targets, inner_folds(y, None, folds=3, seed=0) * weights, link)
    kernel, made = _kernel.Kernel.of(features, weights), _logistic.design(features.astype(float), weights)
    C = 10.0**step / 150
    found = _kernel.solve(kernel, parts, C, start=parts.start(91), to="rough")
    exact = _logistic.solve(made, parts, C, start=parts.start(made.matrix.shape[1]), to="exact")
    theirs = _logistic.probabilities(_logistic.predict(made, exact), link)
    ours = _logistic.probabilities(_logistic.predict(kernel, found), link)
    np.testing.assert_allclose(ours, theirs, atol=within)
    for part in range(3):  # on raw features it is the same model
        weight, bias = kernel.unfold(found[:-1, part].T, found[-1, part])
        np.testing.assert_allclose(
            _logistic.probabilities(features @ weight.T + bias, link), ours[:, part], atol=1e-4
        )


def test_the_middle_penalty_stays_where_others_are_no_clearly_better() -> None:
    rng = np.random.default_rng(0)
    noise, y = rng.normal(size=(12, 40)), np.arange(12) % 2
    stays = CLASSIFICATION.fit_linear(noise, y, outputs=2).penalty
    strong = CLASSIFICATION.fit_linear(rng.normal(size=(200, 40)), np.arange(200) % 2, outputs=2).penalty
    weak = CLASSIFICATION.fit_linear(*blobs(200, 40, 2, apart=6.0), outputs=2).penalty
    assert strong < 10 / 40 < weak
    assert stays <= 10 / 40


def test_views_of_an_item_stay_together_and_do_not_loosen_the_penalty() -> None:
    rng = np.random.default_rng(3)
    features, y = blobs(60, 100, 2, apart=0.4)
    copies = np.repeat(np.arange(60), 5)
    views = features[copies] + 1e-3 * rng.normal(size=(300, 100))
    alone = CLASSIFICATION.fit_linear(features, y, outputs=2)
    grouped = CLASSIFICATION.fit_linear(views, y[copies], outputs=2, groups=copies)
    leaky = CLASSIFICATION.fit_linear(views, y[copies], outputs=2)
    assert 5 * grouped.penalty <= 10.1 * alone.penalty
    assert leaky.penalty > 10 * grouped.penalty  # sees the twin, trusts every detail


def test_it_is_deterministic_and_the_seed_matters_only_for_folds() -> None:
    features, y = blobs(90, 40, 3)
    first = CLASSIFICATION.fit_linear(features, y, outputs=3, seed=1)
    again = CLASSIFICATION.fit_linear(features, y, outputs=3, seed=1)
    np.testing.assert_array_equal(first.weight, again.weight)
    np.testing.assert_array_equal(first.bias, again.bias)


def test_absent_classes_are_improbable_but_finite() -> None:
    features, y = blobs(50, 8, 3)
    for present in ([0, 2], [1], [0, 1, 2]):
        keep = np.isin(y, present)
        found = CLASSIFICATION.fit_linear(features[keep], y[keep], outputs=5)
        logits = found.logits(features.astype(np.float64))
        assert logits.shape == (50, 5)
        assert np.isfinite(logits).all()
        p = CLASSIFICATION.activate(logits)
        absent = [c for c in range(5) if c not in present]
        assert (p[:, absent] < 1e-3).all()
        assert (p[:, absent] > 0).all()
        assert np.isin(p.argmax(axis=1), present).all()


def test_a_class_with_one_row_survives_cross_validation() -> None:
    features, y = blobs(41, 6, 2)
    y[0] = 2
    found = CLASSIFICATION.fit_linear(features, y, outputs=3)
    assert np.isfinite(found.logits(features)).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_multi_label_with_a_label_that_never_varies(value: float) -> None:
    features, y = blobs(40, 6, 2)
    targets = np.stack([y, np.full(40, value)], axis=1)
    found = MULTILABEL.fit_linear(features, targets, outputs=2)
    assert (found.weight[1] == 0).all()
    p = MULTILABEL.activate(found.logits(features))[:, 1]
    assert (np.abs(p - value) < 0.02).all()
    nothing = MULTILABEL.fit_linear(features, np.full((40, 2), value), outputs=2)
    assert (nothing.weight == 0).all()


@given(
    n=st.integers(1, 9),
    width=st.integers(1, 5),
    outputs=st.integers(2, 4),
    grouped=st.booleans(),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_tiny_and_degenerate_data(n: int, width: int, outputs: int, grouped: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = np.round(rng.normal(size=(n, width)))  # many constant and equal columns
    groups = rng.integers(0, 3, n) if grouped else None
    y = rng.integers(0, outputs, n)
    p = CLASSIFICATION.activate(
        CLASSIFICATION.fit_linear(features, y, outputs=outputs, groups=groups).logits(features)
    )
    np.testing.assert_allclose(p.sum(axis=1), 1)
    many = rng.integers(0, 2, (n, outputs))
    p = MULTILABEL.activate(
        MULTILABEL.fit_linear(features, many, outputs=outputs, groups=groups).logits(features)
    )
    assert ((p > 0) & (p < 1)).all()
    values = REGRESSION.fit_linear(features, rng.normal(size=n), outputs=1, groups=groups).logits(features)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_features_that_are_not_finite_are_refused(kind: str) -> None:
    features = np.ones((4, 3))
    features[2, 1] = np.nan
    y = np.array([[0, 1], [1, 0], [0, 0], [1, 1]]) if kind == "multilabel" else np.array([0, 1, 0, 1])
    with pytest.raises(DataError, match="1 of 4 rows are NaN or infinite"):
        tasks.get(kind).fit_linear(features, y, outputs=2)
    with pytest.raises(DataError, match="no labelled row"):
        tasks.get(kind).fit_linear(features[:0], y[:0], outputs=2)


def test_targets_out_of_range_are_refused() -> None:
    features = np.eye(3)
    with pytest.raises(DataError, match="outside 0 to 1"):
        CLASSIFICATION.fit_linear(features, np.array([0, 1, -1]), outputs=2)
    with pytest.raises(DataError, match="not 0 or 1"):
        MULTILABEL.fit_linear(features, np.full((3, 2), np.nan), outputs=2)
    with pytest.raises(DataError, match="target is NaN"):
        REGRESSION.fit_linear(features, np.array([0, np.inf, 1]), outputs=1)


def test_inner_folds_are_stratified_grouped_and_seeded() -> None:
    strata = np.repeat([0, 1, 2], [50, 30, 20])
    folds = inner_folds(strata, None, folds=5, seed=0)
    assert (np.stack([np.bincount(strata[~f], minlength=3) for f in folds]) == [10, 6, 4]).all()
    np.testing.assert_array_equal((~folds).sum(axis=0), 1)
    groups = np.arange(100) // 4
    grouped = inner_folds(strata, groups, folds=5, seed=0)
    for train in grouped:
        assert not set(groups[train]) & set(groups[~train])
    assert not np.array_equal(folds, inner_folds(strata, None, folds=5, seed=1))
    assert inner_folds(strata, np.zeros(100, int), folds=5, seed=0).shape == (0, 100)


def test_two_thousand_classes_survive() -> None:
    features, y = blobs(2500, 16, 2000, apart=2.0)
    found = CLASSIFICATION.fit_linear(features, y, outputs=2000, penalties=[1.0])
    assert CLASSIFICATION.scores["accuracy"].value(y, CLASSIFICATION.activate(found.logits(features))) > 0.1
