from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart import strategies
from headstart.core.strategy import Request
from headstart.modalities import text
from headstart.modalities.text.preprocessing import text_input
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies.label_names import TEMPLATES, embedded, opened, telling
from headstart.testing.fakes import MemoryExtractor, folds
from headstart.testing.strategy import check_strategy
from headstart.testing.texts import TOPICS, TinyTextBackbone, sentences


def knowing() -> TinyTextBackbone:
    """A network for which the words of a topic, and its name, mean the same."""
    backbone = TinyTextBackbone()
    encoder = {word: number for number, word in enumerate(_words(backbone), start=1)}
    with torch.no_grad():
        for number, (topic, words) in enumerate(TOPICS.items()):
            for word in (topic, *words):
                backbone.module.embeddings.weight[encoder[word]] = 3 * torch.eye(backbone.WIDTH)[number]
    return backbone


def _words(backbone: TinyTextBackbone) -> list[str]:
    import json

    found: list[str] = json.loads(text_input(backbone.source).encoder)["words"]
    return found


def request(kind: str = "classification", **changes) -> Request:
    dataset = sentences(kind, per_class=12, telling=3, **changes)
    assert dataset.task is not None
    split = folds(dataset, parts=3, test=0.2)
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset), knowing())


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_contract(kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get("label-names"), request(kind), workdir=tmp_path)


def test_texts_get_the_label_that_is_named_like_them() -> None:
    asked = request()
    trial = strategies.get("label-names").fit(asked)
    rows = asked.split.development
    right = trial.predictions.array[0, rows].argmax(1) == np.asarray(asked.dataset.y)[rows]
    assert right.mean() > 0.9
    assert trial.choices["names"] == ["weather", "food", "travel"]


def test_its_pass_is_the_probes(tmp_path: Path) -> None:
    asked = request()
    asked = replace(asked, features=StoreExtractor(FeatureStore(tmp_path), asked.dataset))
    passes = [strategies.get(name).fit(asked).cost.forward_passes for name in ("label-names", "probe")]
    assert passes == [1.0, 0.0]


def test_the_head_is_the_mean_of_the_sentences() -> None:
    backbone = knowing()
    found = embedded(backbone, ["food"])[0]
    one = []
    for template in TEMPLATES:
        prepared = torch.from_numpy(
            text.prepare(template.format("food").encode(), text_input(backbone.source))[None]
        )
        vector = backbone.pool(backbone.full(backbone.normalise(prepared)), backbone.embedding)[0]
        one.append((vector / vector.norm()).detach().numpy())
    assert np.allclose(found, np.mean(one, axis=0), atol=1e-5)


def test_names_are_opened() -> None:
    assert opened(["book_flight", "carRental", "ABBR", "World", "credit-card limit"]) == (
        "book flight", "car rental", "ABBR", "World", "credit card limit",
    )  # fmt: skip


def test_numbers_are_no_names() -> None:
    assert telling(["pos", "neg"])
    assert not telling(["0", "1"])
    assert not telling(["class 1", "class 2"])
    assert not telling(["LABEL_0", "LABEL_1"])
    asked = request()
    numbered = replace(asked.task, labels=("1", "2", "3"))
    trial = strategies.get("label-names").fit(replace(asked, task=numbered))
    assert trial.status == "not applicable"
    assert "numbers" in trial.reason
    paired = request(pairs=True)
    assert "two texts" in strategies.get("label-names").fit(paired).reason


def test_a_label_may_be_called_no() -> None:
    """CLINC has intents "yes" and "no"; "no" is no abbreviation of number there."""
    from headstart.strategies.label_names import telling

    assert telling(("yes", "no", "book_flight"))
    assert not telling(("class 1", "class 2"))
    assert not telling(("item 1", "item 2", "item 3"))
    assert telling(("gas", "gas_type", *"abdefghijkmnopqrst"))
