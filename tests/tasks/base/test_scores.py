"""Every metric by which a task may be judged, against scikit-learn, alone and under weights of the items."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.metrics as reference

from headstart import tasks
from headstart.core.metric import METRICS, Metric
from headstart.core.task import Task
from headstart.errors import BadOption
from headstart.measure.paired import Resampling, paired_gain
from headstart.tasks.base.scores import Anew

RNG = np.random.default_rng(0)
N = 60
CLASSES = RNG.integers(0, 3, N)
P = RNG.dirichlet(np.ones(3), N)
SETS = (RNG.random((N, 3)) < 0.4).astype(np.float32)
Q = RNG.random((N, 3))
NUMBERS = RNG.normal(size=N)
VALUES = NUMBERS[:, None] + RNG.normal(size=(N, 1))
CASES = {
    ("classification", "accuracy"): lambda y, p: reference.accuracy_score(y, p.argmax(1)),
    ("classification", "balanced accuracy"): lambda y, p: reference.balanced_accuracy_score(y, p.argmax(1)),
    ("classification", "F1"): lambda y, p: reference.f1_score(y, p.argmax(1), average="macro"),
    ("classification", "AUROC"): lambda y, p: reference.roc_auc_score(y, p, multi_class="ovr"),
    ("classification", "log loss"): reference.log_loss,
    ("multilabel", "mAP"): lambda y, p: reference.average_precision_score(y, p, average="macro"),
    ("multilabel", "F1"): lambda y, p: reference.f1_score(y, p >= 0.5, average="macro"),
    ("multilabel", "micro F1"): lambda y, p: reference.f1_score(y, p >= 0.5, average="micro"),
    ("multilabel", "AUROC"): lambda y, p: reference.roc_auc_score(y, p, average="macro"),
    ("multilabel", "log loss"): lambda y, p: np.mean(
        [reference.log_loss(y[:, c], p[:, c]) for c in range(3)]
    ),
    ("regression", "MAE"): lambda y, p: reference.mean_absolute_error(y, p[:, 0]),
    ("regression", "RMSE"): lambda y, p: reference.mean_squared_error(y, p[:, 0]) ** 0.5,
    ("regression", "R2"): lambda y, p: reference.r2_score(y, p[:, 0]),
}
DATA = {"classification": (CLASSES, P), "multilabel": (SETS, Q), "regression": (NUMBERS, VALUES)}


def test_each_score_has_a_reference() -> None:
    assert {(kind, name) for kind in DATA for name in tasks.get(kind).scores} == set(CASES)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_score_and_its_resamples(kind: str, name: str) -> None:
    y, p = DATA[kind]
    score = tasks.get(kind).scores[name]
    expected = CASES[kind, name]
    assert score.value(y, p) == pytest.approx(expected(y, p))
    weights = np.random.default_rng(1).multinomial(N, np.full(N, 1 / N), size=4)
    sign = 1 if METRICS[name].higher_is_better else -1
    for row, found in zip(weights, score.resampled(y, p, weights), strict=True):
        drawn = np.repeat(np.arange(N), row)
        assert found == pytest.approx(sign * expected(y[drawn], p[drawn]))
    shares = score.per_item(y, p)
    assert shares is None or sign * shares.mean() == pytest.approx(score.value(y, p))


def test_a_class_that_a_resample_lost_counts_as_in_the_whole() -> None:
    scores = tasks.get("classification").scores
    y, p = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    only_first = np.array([[3, 0, 0]])  # class 1 neither occurs nor is decided for
    assert scores["balanced accuracy"].resampled(y, p, only_first)[0] == pytest.approx((1 + 1) / 2)
    assert scores["F1"].resampled(y, p, only_first)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["AUROC"].resampled(y, p, only_first)[0] == pytest.approx(scores["AUROC"].value(y, p))


def test_a_metric_of_ones_own_keeps_its_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SimpleNamespace(name="cost", metric=Metric("cost", higher_is_better=False))
    kind = type(tasks.get("regression"))
    monkeypatch.setattr(kind, "scores", {"cost": own})
    task = Task("regression", ("y",), "MAE", higher_is_better=False)
    assert tasks.judged_by(task, "cost").higher_is_better is False


@pytest.mark.parametrize(
    ("kind", "asked", "metric"),
    [("classification", "balanced-accuracy", "balanced accuracy"), ("classification", "LOG_LOSS", "log loss"),
     ("multilabel", "f1", "F1"), ("regression", "rmse", "RMSE")],
)  # fmt: skip
def test_a_metric_is_chosen_by_its_name(kind: str, asked: str, metric: str) -> None:
    task = tasks.judged_by(tasks.get(kind).make_task(["a", "b"]), asked)
    assert (task.metric, task.higher_is_better) == (metric, METRICS[metric].higher_is_better)
    assert Task.from_json(task.to_json()) == task


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(
        BadOption, match="for classification one of accuracy, balanced-accuracy, f1, auroc, log-loss"
    ):
        tasks.judged_by(tasks.get("classification").make_task(["a"]), "rmse")


def test_a_ratio_is_compared_as_if_it_were_computed_on_every_resample() -> None:
    """The paired bootstrap of a sum over items by another one, against brute force."""
    rng = np.random.default_rng(5)
    ours, theirs = (np.where(rng.random((2, N, 3)) < wrong, 1 - SETS, SETS) for wrong in (0.1, 0.2))
    ours[1, ::2], theirs[1, ::2] = np.nan, np.nan
    ratio = tasks.get("multilabel").scores["micro F1"]

    def by_hand(y: np.ndarray, p: np.ndarray) -> float:
        return float(reference.f1_score(y, p >= 0.5, average="micro"))

    found, brute = (
        paired_gain(SETS, ours, theirs, scoring=score, resampling=Resampling(count=500))
        for score in (ratio, Anew("micro F1", by_hand))
    )
    assert found.n == brute.n == N
    assert [found.gain, found.low, found.high] == pytest.approx(
        [brute.gain, brute.low, brute.high], abs=1e-12
    )
    nothing = np.zeros((4, 3))
    assert ratio.value(nothing, nothing) == 0.0
    assert np.isnan(ratio.resampled(SETS, SETS, np.zeros((1, N)))).all()
