"""Kinds whose answers are texts: their metrics under weights, and how answers are told."""

from __future__ import annotations

import numpy as np
import pytest

from headstart import tasks
from headstart.core.cells import column
from headstart.tasks.base import Says

KINDS = sorted(kind for kind in tasks.TASKS if isinstance(tasks.get(kind), Says))
WANTED = column(
    ["the cat sat on the mat today", "dogs run fast", "Paris, France", "a red bird sings in the old tree"]
)
SAID = column(["the cat sat on a mat", "dogs run fast", "the city of London", "a red bird sings"])


def test_there_are_five() -> None:
    assert KINDS == ["answer", "generate", "summarize", "transcribe", "translate"]


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_under_weights_are_those_of_items_repeated(kind: str) -> None:
    methods = tasks.get(kind)
    task = methods.make_task(["target"])
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 3]])
    rows = np.repeat(np.arange(4), weights[1])
    found = methods.metrics(task, WANTED, SAID)
    assert found.keys() == methods.scores.keys()
    for name, score in methods.scores.items():
        sign = 1 if score.metric.higher_is_better else -1
        drawn = sign * score.resampled(WANTED, SAID, weights)
        assert drawn[0] == pytest.approx(found[name])
        assert drawn[1] == pytest.approx(score.value(WANTED[rows], SAID[rows]))
        best = score.value(WANTED, WANTED)
        assert best == pytest.approx(float(score.metric.higher_is_better))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_farther_off_is_worse(kind: str) -> None:
    methods = tasks.get(kind)
    off = methods.off(WANTED, SAID)
    assert off[1] == pytest.approx(0)
    assert off[2] == off.max() > off[0] > 0
    np.testing.assert_array_equal(methods.wrong(WANTED, SAID), [True, False, True, True])


def test_a_model_recalls_a_text_or_takes_a_part_of_the_item() -> None:
    methods = tasks.get("translate")
    task = methods.make_task(["eins", "zwei"])
    assert methods.said(task, {"kind": "words"}, np.array([0.1, 0.3]), ["two"]) == "zwei"
    text = "First. Second one is longer! Third."
    assert methods.said(task, {"kind": "constant", "part": "longest sentence"}, np.zeros(2), [text]) == (
        "Second one is longer!"
    )
    assert tasks.told(task)["labels"] == []


def test_lengths_are_the_strata() -> None:
    assert tasks.get("translate").strata(column(["aaaa", "a", "aa", "aaa"]), 2) == [[1], [0], [0], [1]]


def test_there_is_no_linear_model() -> None:
    with pytest.raises(TypeError, match="no linear model"):
        tasks.get("summarize").fit_linear(np.zeros((4, 2)), WANTED, outputs=1)
