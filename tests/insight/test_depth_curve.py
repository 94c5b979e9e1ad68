"""Which layer with how many labels: the closed forms against scikit-learn, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from headstart.core.features import Tap
from headstart.insight.curve import depth_curve
from headstart.insight.curve.depth_curve import Question

RNG = np.random.default_rng(0)


def question(y: np.ndarray, groups: np.ndarray | None = None) -> Question:
    return Question(np.eye(int(y.max()) + 1)[y], y, 1.0, groups)


def test_a_portion_is_ridge_regression_with_an_intercept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth_curve, "PENALTIES", (1.0,))
    x, y = RNG.normal(size=(40, 6)) + 2.0, RNG.integers(0, 3, 40)
    asked, part, rest = question(y), np.arange(0, 40, 2), np.arange(1, 40, 2)
    found = depth_curve.predicted(x @ x.T, asked, part, rest)
    penalty = np.square(x[part] - x[part].mean(axis=0)).sum() / len(part)  # the mean eigenvalue
    expected = Ridge(alpha=penalty).fit(x[part], asked.targets[part]).predict(x[rest])
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("groups", [None, np.arange(24) // 3])
def test_all_rows_are_left_out_one_group_after_the_other(
    groups: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth_curve, "PENALTIES", (1.0,))
    x, values = RNG.normal(size=(24, 4)), RNG.normal(size=(24, 1))
    asked = Question(values, None, 2.0, groups)
    found = depth_curve._whole(x @ x.T, asked)
    penalty = np.square(x - x.mean(axis=0)).sum() / len(x)
    unit = np.arange(24) if groups is None else groups
    for one in np.unique(unit):
        others = unit != one
        said = Ridge(alpha=penalty).fit(x[others], values[others]).predict(x[~others]).reshape(-1, 1)
        assert found[~others] == pytest.approx(1 - (said - values[~others])[:, 0] ** 2 / 2.0, abs=1e-9)


def point(n: int, best: int, apart: bool) -> dict[str, Any]:
    """300 items, three stages of which one is right more often: on many more items, or on one."""
    scores = np.zeros((3, 2, 300))
    scores[:, :, :200] = 1.0
    scores[best, :, 200 : 260 if apart else 201] = 1.0
    taps = [Tap(name, 1) for name in ("stem", "middle", "last")]
    return depth_curve._point(scores, n, taps, question(np.arange(300) % 2))


def test_what_is_not_told_from_the_best_is_tied() -> None:
    clear, close = point(20, 1, apart=True), point(20, 1, apart=False)
    assert clear["best"] == close["best"] == "middle"
    assert [row["tied"] for row in clear["rows"]] == [False, True, False]
    assert all(row["tied"] for row in close["rows"])
    for row in (*clear["rows"], *close["rows"]):
        assert row["low"] < row["value"] < row["high"]


@pytest.mark.parametrize(
    ("first", "last", "apart", "told"),
    [
        (0, 2, True, "With 20 labels stem does best, with 160 labels last: the more data, the deeper."),
        (2, 1, True, "With 20 labels last does best, with 160 labels middle, which lies earlier."),
        (0, 2, False, "the more data, the deeper; but the two are not told apart at both ends."),
        (1, 1, True, "middle does best with 20 labels and with 160 labels."),
    ],
)
def test_the_sentence(first: int, last: int, apart: bool, told: str) -> None:
    points = [point(20, first, apart), point(160, last, apart)]
    assert depth_curve._sentence(points, ["stem", "middle", "last"]).endswith(told)


@pytest.mark.parametrize("kind", ["classification", "regression", "multilabel"])
def test_of_a_run(make_run: Any, kind: str) -> None:
    made = make_run(kind=kind, per_class=24)
    probe = made.trials["tiny: probe"]
    found = depth_curve.depth_curve(made.experiment, made.context, probe)
    assert found is not None
    assert found["metric"] == ("accuracy" if kind == "classification" else "skill")
    stages = [stage.name for stage in made.context.backbone("tiny").stages]
    assert found["stages"] == [name for name in stages if name in found["stages"]]  # the network's order
    sizes = [one["n"] for one in found["points"]]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == len(made.context.split.development)
    for one in found["points"]:
        assert [row["stage"] for row in one["rows"]] == found["stages"]
        assert next(row for row in one["rows"] if row["stage"] == one["best"])["tied"]
    profile = probe.choices["profile"]
    if kind == "classification":  # the last point is the profile, but for the penalties tried
        for row in found["points"][-1]["rows"]:
            assert row["value"] == pytest.approx(profile[row["tap"]]["accuracy"], abs=0.15)


def test_nothing_without_a_profile(make_run: Any) -> None:
    made = make_run()
    assert depth_curve.depth_curve(made.experiment, made.context, made.trials["tiny: finetune"]) is None
