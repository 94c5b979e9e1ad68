"""Arms that answer with texts: none sees a text of a row that it is tested on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart import sources, strategies, tasks
from headstart.core.dataset import Dataset, TextItem
from headstart.core.strategy import Request, Trial
from headstart.data.splits import make_split
from headstart.data.texts.targets import Sentences
from headstart.errors import NetError
from headstart.modalities.text.preprocessing import BI_ENCODER, CROSS_ENCODER
from headstart.predict.predictor import Predictor, predict
from headstart.strategies.sentences import extract
from headstart.testing.fakes import MemoryExtractor
from headstart.testing.texts import TOPICS, TinyTextBackbone, sentence
from made.pretrained import write_model

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


def parts(kind: str) -> tuple[Dataset, dict[str, str]]:
    """Texts of three sentences, that of the weather told; or questions for the last word of one of them."""
    rng, items, wanted = np.random.default_rng(0), [], []
    for row in range(24):
        told = [
            sentence(topic, rng, words=6, telling=3)
            for topic in rng.permutation(["weather", "food", "music"])
        ]
        about = next(one for one in told if set(one.split()) & set(TOPICS["weather"]))
        text = ". ".join(told) + "."
        items.append(TextItem(f"row {row}", *(["rain storm", text] if kind == "answer" else [text])))
        wanted.append(about.split()[-1] if kind == "answer" else f"{about}.")
    task = tasks.get(kind).make_task(["target"])
    pairs = kind == "answer"
    return Dataset("parts", "text", tuple(items), task, Sentences(wanted), pairs=pairs), dict(
        enumerate(wanted)
    )


@pytest.mark.parametrize("pairs", [CROSS_ENCODER, BI_ENCODER])
@pytest.mark.parametrize("kind", ["summarize", "answer"])
def test_a_part_of_the_item_is_chosen_by_its_words_states(kind: str, pairs: str) -> None:
    if kind == "summarize" and pairs == BI_ENCODER:
        pytest.skip("one text is not read apart")
    data, wanted = parts(kind)
    asked = Request(data, data.task, make_split(data), MemoryExtractor(data), TinyTextBackbone(pairs=pairs))  # type: ignore[arg-type]
    strategy = strategies.get("probe", data.task)
    trial = strategy.fit(asked)
    assert trial.status == "done"
    assert trial.covered.all()
    for row, said in enumerate(trial.predictions.averaged()):
        assert said
        assert all(word in data.items[row].read().decode() for word in said.split())
    garbled = replace(data, targets=Sentences([*list(wanted.values())[:-1], "nothing"]))
    last = len(data) - 1
    other = strategy.fit(replace(asked, dataset=garbled))
    held = next(fold for fold in asked.split.folds if last in fold.test)
    np.testing.assert_array_equal(
        other.predictions.take(held.repeat, held.test), trial.predictions.take(held.repeat, held.test)
    )
    model = strategy.refit(asked, trial)
    assert (model.net["kind"], model.net["part"]) == ("extract", tasks.get(kind).part)
    random = strategies.get("random-frozen", data.task)
    assert random.refit(asked, random.fit(asked)).source == {}


@pytest.mark.parametrize("kind", ["summarize", "answer"])
def test_the_model_says_what_its_arm_would(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    data, _ = parts(kind)
    backbone = sources.load(f"hf:{write_model(tmp_path / 'bert', 'bert')}")
    asked = Request(data, data.task, make_split(data), MemoryExtractor(data), backbone)  # type: ignore[arg-type]
    model = strategies.get("probe", data.task).refit(asked, Trial("", "", None))
    reading = extract.Reading(asked, backbone, model.net["part"])
    learnt = reading.learnt(asked, asked.split.development)
    said = predict(model, data.items)
    assert said.answers == [learnt.chosen(*reading.item(row)) for row in range(len(data))]
    assert said[0].scores is None
    with pytest.raises(NetError, match="does not know"):
        Predictor(replace(model, net={**model.net, "part": "half"}))
