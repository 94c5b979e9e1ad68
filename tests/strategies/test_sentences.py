"""Arms that answer with texts: none sees a text of a row that it is tested on."""

from __future__ import annotations

import numpy as np
import pytest

from headstart import strategies, tasks
from headstart.core.dataset import Dataset, TextItem
from headstart.core.strategy import Request
from headstart.data.splits import make_split
from headstart.data.texts.targets import Sentences

TASK = tasks.get("translate").make_task(["target"])
SOURCES = [
    f"{colour} {beast} runs" for colour in ("red", "blue", "black") for beast in ("dog", "cat", "hen", "cow")
]


def request(targets: list[str | None]) -> Request:
    items = tuple(TextItem(f"row {row}", text) for row, text in enumerate(SOURCES))
    data = Dataset("pairs", "text", items, TASK, Sentences(targets))
    split = make_split(data)
    return Request(data, TASK, split, features=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["majority", "copy", "tfidf"])
def test_no_arm_says_what_only_held_out_rows_have(name: str) -> None:
    own = [f"{text[::-1]} {row}" for row, text in enumerate(SOURCES)]
    asked = request(own)
    trial = strategies.get(name, TASK).fit(asked)
    assert trial.status == "done"
    assert trial.covered.all()
    for fold in asked.split.folds:
        said = trial.predictions.take(fold.repeat, fold.test)
        assert not set(said) & set(np.array(own)[fold.test])
        assert set(said) <= set(np.array(own)[fold.train]) | set(SOURCES)


def test_copy_takes_the_part_that_is_nearest_and_a_memory_the_nearest_words() -> None:
    asked = request(list(SOURCES))
    assert strategies.get("copy", TASK).fit(asked).choices["folds"][0]["part"] == "whole"
    trial = strategies.get("tfidf", TASK).fit(asked)
    assert all(
        set(said.split()) & set(text.split())
        for said, text in zip(trial.predictions.averaged(), SOURCES, strict=True)
    )
    model = strategies.get("tfidf", TASK).refit(asked, trial)
    assert model.task.labels == tuple(SOURCES)
    assert model.tensors["head.weight"].shape[0] == len(SOURCES)
