from __future__ import annotations

import numpy as np
import pytest

from headstart.core.task import Task
from headstart.errors import BadOption
from headstart.predict.predictor import Prediction
from headstart.predict.selective import MOST, Caution, held_out

TASK = Task("classification", ("ant", "bee", "cat"), "accuracy")


def evidence(n: int = 400) -> dict[str, object]:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3) * 0.4, n)
    y = np.array([rng.choice(3, p=row) for row in p])
    return {"held_out": held_out(y, p)}


def row(*scores: float) -> Prediction:
    best = TASK.labels[int(np.argmax(scores))]
    return Prediction("x.png", best, np.array(scores, np.float32))


def test_unsure_answers_name_several_labels() -> None:
    caution = Caution.of(evidence(), TASK, sets=0.9)
    assert caution(TASK, row(0.98, 0.01, 0.01)).labels == ("ant",)
    assert caution(TASK, row(0.3, 0.45, 0.25)).labels[:2] == ("bee", "ant")  # type: ignore[index]


def test_more_coverage_means_larger_sets() -> None:
    sizes = [
        len(Caution.of(evidence(), TASK, sets=c)(TASK, row(0.6, 0.3, 0.1)).labels or ()) for c in (0.6, 0.99)
    ]
    assert sizes[0] < sizes[1]


def test_unsure_answers_are_held_back() -> None:
    caution = Caution.of(evidence(), TASK, risk=0.1)
    assert caution(TASK, row(0.99, 0.005, 0.005)).answer == "ant"
    unsure = caution(TASK, row(0.4, 0.35, 0.25))
    assert (unsure.answer, unsure.abstains) == (None, True)


def test_nothing_asked_nothing_changed() -> None:
    one = row(0.5, 0.3, 0.2)
    assert Caution.of({}, TASK)(TASK, one) is one
    unread = Prediction("x.png", error="damaged")
    assert Caution.of(evidence(), TASK, sets=0.9)(TASK, unread) is unread


@pytest.mark.parametrize(
    ("asked", "known", "task"),
    [
        ({"sets": 1.5}, evidence(), TASK),
        ({"risk": 0.0}, evidence(), TASK),
        ({"sets": 0.9}, {}, TASK),
        ({"risk": 0.001}, evidence(50), TASK),
        ({"sets": 0.9}, evidence(), Task("multilabel", ("a", "b"), "mAP")),
    ],
)
def test_what_cannot_be_had(asked: dict[str, float], known: dict[str, object], task: Task) -> None:
    with pytest.raises(BadOption):
        Caution.of(known, task, **asked)


def test_what_travels_is_bounded() -> None:
    y, p = np.zeros(5 * MOST, np.int64), np.full((5 * MOST, 2), 0.5)
    assert len(held_out(y, p)["true"]) == MOST
