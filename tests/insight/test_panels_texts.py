"""What insight.json says of a run on texts: words that mattered, lengths, layers, the map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from headstart import sources
from headstart.core.strategy import Request
from headstart.insight import lengths, panels
from headstart.modalities import text
from headstart.modalities.text.preprocessing import BI_ENCODER, CROSS_ENCODER, text_input
from headstart.report import page, samples
from headstart.testing.fakes import MemoryExtractor, folds
from headstart.testing.texts import TinyTextBackbone, sentences
from headstart.workflows import label_next


@pytest.fixture
def make_texts(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A finished run on sentences, whose shipped model is the probe on a tiny encoder."""

    def make(kind: str = "classification", *, pairs: str = "", noise: float = 1.5) -> Any:
        dataset = sentences(kind, pairs=bool(pairs), per_class=10)
        assert dataset.task is not None
        backbone = TinyTextBackbone(pairs=pairs or CROSS_ENCODER)

        def opened(architecture: Any, contract: Any, tensors: Any, *more: Any, **named: Any) -> Any:
            import torch

            twin = backbone.copy()
            twin.module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})
            return twin

        monkeypatch.setattr(sources, "from_state", opened)
        split = folds(dataset, repeats=2, test=0.2)
        asked = Request(dataset, dataset.task, split, MemoryExtractor(dataset), backbone)
        return make_run("run", kind, noise=noise, asked=asked)

    return make


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression", "pairs", "pairs apart"])
def test_a_text_run_says_what_an_image_run_says_and_more(make_texts: Callable[..., Any], kind: str) -> None:
    pairs = {"pairs": CROSS_ENCODER, "pairs apart": BI_ENCODER}.get(kind, "")
    made = make_texts("classification" if pairs else kind, pairs=pairs)
    found, dataset = panels.insight_of(made.result), made.context.dataset
    assert not [e.data["text"] for e in made.events if "left out of the page" in str(e.data)]
    assert {row["grid"] for row in found["depth"]["rows"]} == {"cls", "mean", "max"}
    noun = "pairs of texts" if pairs else "texts"
    assert f"{len(dataset)} {noun}, placed by" in found["map"]["sentence"]
    items = found["occlusion"]["items"]
    assert len(items) == min(8, len(found["mistakes"])) > 4
    for item, mistake in zip(items, found["mistakes"], strict=False):
        assert (item["row"], item["id"]) == (mistake["row"], mistake["id"])
        parts = text.open_item(dataset.items[item["row"]].read()).parts
        assert [[p["text"] for p in part] for part in item["parts"]] == [part.split() for part in parts]
        assert all(abs(p["effect"]) <= item["largest"] + 1e-4 for part in item["parts"] for p in part)
        if kind == "classification":
            assert item["said"] == mistake["said"]
        if kind == "multilabel":
            assert item["said"].removeprefix("not ") in dataset.task.labels
        assert (found["occlusion"]["unit"] == "value") == (kind == "regression")
    shown = samples.gather(dataset, dataset.task, found)
    told = {"data": {"summary": "", "findings": []}, "question": {"seed": 0, "data": "ab"}}
    html = page.render({**made.record, **told}, found, shown)
    assert f"How long the {noun} are" in html
    assert ('<b class="side">second</b>' in html) == bool(pairs)


def test_words_are_asked_of_the_shipped_model(make_texts: Callable[..., Any]) -> None:
    """Leaving a word out by hand gives the stated effect."""
    from headstart.predict.predictor import Predictor

    made = make_texts()
    item = panels.insight_of(made.result)["occlusion"]["items"][0]
    model = made.answer.model
    words = [piece["text"] for piece in item["parts"][0]]
    variants = [words, *(words[:i] + words[i + 1 :] for i in range(len(words)))]
    prepared = [text.prepare(text.Text(" ".join(one)), model.input) for one in variants]
    p = np.concatenate([Predictor(model).scores(one[None]) for one in prepared]).astype(np.float64)
    own = p[:, made.context.task.labels.index(item["said"])]
    odds = np.log(own / (1 - own))
    np.testing.assert_allclose([c["effect"] for c in item["parts"][0]], odds[0] - odds[1:], atol=2e-3)
    assert item["now"] == pytest.approx(own[0], abs=1e-6)


def test_lengths_are_those_of_the_tokenizer(make_texts: Callable[..., Any]) -> None:
    made = make_texts()
    dataset = made.context.dataset
    expected = np.array([len(item.read().split()) for item in dataset.items])  # its tokens are words
    found = panels.insight_of(made.result)["lengths"]
    assert (found["n"], found["of"], found["limit"], found["cut"]) == (len(dataset), len(dataset), 32, 0)
    assert found["median"] == np.median(expected)
    assert found["longest"] == expected.max()
    assert sum(b["count"] for b in found["bins"]) == len(dataset)
    for b in found["bins"]:
        assert b["count"] == ((expected >= b["low"]) & (expected <= b["high"])).sum()
    for number, row in enumerate(found["by_class"]):
        assert row["median"] == np.median(expected[dataset.y == number])
    assert found["sentence"].endswith("it reads up to 32. No text is cut off.")


def test_lengths_of_texts_that_are_cut(make_texts: Callable[..., Any]) -> None:
    made = make_texts()
    experiment = made.experiment
    contract = replace(text_input(TinyTextBackbone().source), max_length=8)
    tokens = np.array([len(item.read().split()) for item in experiment.dataset.items])
    found = lengths.lengths(experiment, "tiny", contract, np.arange(len(tokens)))
    assert found is not None
    assert found["cut"] == (tokens > 8).sum() == sum(row["cut"] for row in found["by_class"])
    assert "longer: what comes after is not seen." in found["sentence"]
    now = iter(range(100))
    few = lengths.lengths(
        experiment, "tiny", contract, np.arange(len(tokens)), clock=lambda: float(next(now))
    )
    assert few is not None
    assert few["n"] == 2
    assert f"of 2 of {len(tokens)} counted" in few["sentence"]


@pytest.mark.parametrize("shortest", [0, 1])
@pytest.mark.parametrize("longest", [1, 3, 40, 5000])
def test_every_length_is_in_one_bin(longest: int, shortest: int) -> None:
    tokens = np.append(np.random.default_rng(0).integers(1, 12, 300), [shortest, longest])
    found = lengths.bins(tokens)
    assert sum(b["count"] for b in found) == len(tokens)
    assert found[0]["low"] == shortest
    assert found[-1]["high"] >= longest
    for one, two in pairwise(found):
        assert two["low"] == one["high"] + 1


def test_reasons_name_what_is_to_be_labelled() -> None:
    from headstart.measure.selection import Typical

    said = label_next.stands_for(Typical(0, 41, 0), ("pair of texts", "pairs of texts"))
    assert said == "typical of a group of 41 pairs of texts with no label near"
