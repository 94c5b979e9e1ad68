"""A network of characters in the arms that write: what each trains, and nats a character."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from headstart import nets, sources, strategies, tasks
from headstart.core.dataset import Dataset, TextItem
from headstart.core.strategy import Request, Settings
from headstart.data.splits import make_split
from headstart.data.texts.targets import Sentences
from headstart.modalities.text import Text, collate, prepare
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies.sentences import _learning
from made.characters import write_characters

TASK = tasks.get("generate").make_task(["completion"])
PROMPTS = ("a", "so", "it is", "Rain", "we go", "two", "No", "my", "you", "Is it")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Request:
    where: Path = tmp_path_factory.mktemp("characters")
    backbone = sources.load(f"file:{write_characters(where / 'source', longest=12)}")
    items = tuple(TextItem(f"row {number}", prompt) for number, prompt in enumerate(PROMPTS))
    data = Dataset(
        "texts", "text", items, TASK, Sentences([f"abc{number}" for number in range(len(PROMPTS))])
    )
    split, features = make_split(data), StoreExtractor(FeatureStore(where / "store"), data)
    return Request(data, TASK, split, features, backbone, settings=Settings(epochs=2, lr=0.05))


def costs(asked: Request, network: Any) -> tuple[float, int]:
    """(nats, characters) of all texts, one text after the other."""
    backbone: Any = network.prompted(())
    generator, nats, size = backbone.generator(), 0.0, 0
    for item, text in zip(asked.dataset.items, asked.dataset.targets, strict=True):
        batch = torch.from_numpy(collate([prepare(Text(item.text), backbone.source.input)]))
        answer = torch.tensor([generator.tokens(text, 99)])
        with torch.no_grad():
            nats += float(
                cross_entropy(generator.logits(batch, answer, "input")[0], answer[0], reduction="sum")
            )
        size += len(text) + 1
    return nats, size


def test_the_untouched_source_tells_what_a_character_costs(asked: Request) -> None:
    trial = strategies.get("untouched", TASK).fit(asked)
    found = np.sum([fold["nats"] for fold in trial.choices["folds"]], axis=0)
    nats, size = costs(asked, asked.network)
    assert found[1] == size * len(trial.choices["folds"]) * len(asked.split.folds[0].test) // len(PROMPTS)
    assert found[0] / found[1] == pytest.approx(nats / size, rel=1e-5)
    assert f"{nats / size:.3f} nats a character" in trial.reason


@pytest.mark.parametrize("name", ["finetune", "full", "scratch"])
def test_what_is_trained_tells_it_too(asked: Request, name: str) -> None:
    trial = strategies.get(name, TASK).fit(asked)
    assert trial.status == "done", trial.reason
    assert "nats a character" in trial.reason
    if name == "scratch":  # nothing is put back
        nats, size = np.sum([fold["nats"] for fold in trial.choices["folds"]], axis=0)
        tokens = size + len(PROMPTS)  # a blank before each
        assert nats / tokens < 4.2  # log of the 69 numbers there are: it has learnt


def test_lora_has_nothing_to_stand_beside(asked: Request) -> None:
    trial = strategies.get("lora", TASK).fit(asked)
    assert (trial.status, trial.reason) == (
        "not applicable",
        "no layer of its decoder has a linear layer inside, and LoRA stands beside such",
    )


def test_fine_tuning_trains_the_upper_half_and_what_follows(asked: Request) -> None:
    generator = asked.network.generator().copy()  # type: ignore[attr-defined]
    _learning.later_layers(generator, 0)
    learning = {name for name, p in generator.module.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[0] for name in learning} == {"reader.layers.1", "attention", "output"}


def test_the_model_is_put_together_again(asked: Request) -> None:
    short = replace(asked, settings=Settings(epochs=1))
    arm = strategies.get("full", TASK)
    model = arm.refit(short, arm.fit(short))
    net: Any = nets.assemble(model.net, model.tensors, model.input, TASK)
    long = "a prompt that is longer than the window of its network"
    batch = collate([prepare(Text(text), model.input) for text in (*PROMPTS[:3], long)])
    rows = net(torch.from_numpy(batch)).numpy()
    alone = net(torch.from_numpy(batch[3:])).numpy()
    assert (rows[3] == alone[0]).all()
    assert rows.max() > 0
