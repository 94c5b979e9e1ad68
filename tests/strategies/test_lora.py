from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from headstart import sources, strategies
from headstart.core.strategy import Request, Settings
from headstart.errors import BadOption
from headstart.strategies.gradient._adapters import ALPHA, RANK, LowRank, Vectors
from headstart.testing.fakes import MemoryExtractor, folds
from headstart.testing.strategy import check_strategy, example
from headstart.testing.texts import TinyTextBackbone, sentences
from made import pretrained

QUICK = Settings(epochs=2, lr=1e-2)

pytest.importorskip("peft")


def request(kind: str = "classification", **changes) -> Request:
    dataset = sentences(kind, per_class=12, telling=3)
    assert dataset.task is not None
    split = folds(dataset, parts=3, test=0.2)
    usual = {"settings": QUICK, "backbone": TinyTextBackbone()}
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset), **{**usual, **changes})


@pytest.mark.parametrize("name", ["lora", "bitfit"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_contract(name: str, kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get(name), request(kind), workdir=tmp_path)


def changed(asked: Request, name: str) -> set[str]:
    """Names of the tensors of the trunk that are other than the source's."""
    strategy = strategies.get(name)
    model = strategy.refit(asked, strategy.fit(asked))
    assert model.net["kind"] == "taps"
    before = asked.backbone.module.state_dict()  # type: ignore[union-attr]
    assert {n.removeprefix("trunk.") for n in model.tensors if n.startswith("trunk.")} == set(before)
    return {n for n in before if not np.array_equal(model.tensors[f"trunk.{n}"], before[n].numpy())}


def test_lora_ships_plain_weights_of_low_rank_changes() -> None:
    asked = request()
    strategy = strategies.get("lora")
    model = strategy.refit(asked, strategy.fit(asked))
    before = asked.backbone.module.state_dict()  # type: ignore[union-attr]
    wanted = {n for n in before if n.endswith(("query.weight", "key.weight", "value.weight"))}
    assert changed(asked, "lora") == wanted
    for name in wanted:
        rank = np.linalg.matrix_rank(model.tensors[f"trunk.{name}"] - before[name].numpy(), tol=1e-5)
        assert 1 <= rank <= RANK


def test_lora_on_the_layers_that_are_named() -> None:
    named = request(settings=replace(QUICK, lora_targets="query, layers.1.value"))
    assert changed(named, "lora") == {
        "layers.0.query.weight", "layers.1.query.weight", "layers.1.value.weight",
    }  # fmt: skip
    wrong = request(settings=replace(QUICK, lora_targets="query,attention"))
    with pytest.raises(BadOption, match=r"attention.*key, query, value"):
        strategies.get("lora").fit(wrong)


def test_bitfit_changes_vectors_alone() -> None:
    asked = request()
    names = changed(asked, "bitfit")
    shapes = {n: t.ndim for n, t in asked.backbone.module.state_dict().items()}  # type: ignore[union-attr]
    assert names
    assert {shapes[n] for n in names} == {1}


def test_merging_is_the_formula_and_leaves_nothing_behind() -> None:
    backbone = TinyTextBackbone()
    body = backbone.tail("input")
    names = [name for name, _ in body.named_modules()]
    adapter = LowRank(("query",))
    adapter.begin(backbone, body, 0)
    trained = {name: p for name, p in body.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    assert len(trained) == 4
    with torch.no_grad():
        for p in trained.values():
            p.normal_(generator=torch.Generator().manual_seed(1))
    inputs = backbone.normalise(torch.from_numpy(backbone.example(3)))
    expected = body(inputs)
    a, b = (trained[f"layers.0.query.lora_{side}.default.weight"].detach() for side in "AB")
    before = TinyTextBackbone().module.state_dict()["layers.0.query.weight"]
    adapter.end(body)
    after = backbone.module.state_dict()["layers.0.query.weight"]
    assert torch.allclose(after, before + ALPHA / RANK * b @ a, atol=1e-5)
    assert [name for name, _ in body.named_modules()] == names
    assert torch.allclose(body(inputs), expected, atol=1e-4)
    assert torch.allclose(backbone.full(inputs), expected, atol=1e-4)


def test_what_has_no_such_parts() -> None:
    bare = TinyTextBackbone()
    for layer in bare.module.layers:
        layer.query, layer.key, layer.value = nn.Identity(), nn.Identity(), nn.Identity()
    trial = strategies.get("lora").fit(request(backbone=bare))
    assert trial.status == "not applicable"
    assert "linear" in trial.reason


@pytest.mark.parametrize("name", ["bitfit", "lora"])
def test_images(name: str) -> None:
    asked = example(settings=replace(QUICK, augment="none"), repeats=1)
    trial = strategies.get(name).fit(asked)
    assert trial.status == ("done" if name == "bitfit" else "not applicable")
    assert Vectors() == Vectors()


def test_targets_that_no_network_has_are_refused_before_any_training() -> None:
    networks = [TinyTextBackbone()]
    with pytest.raises(BadOption, match="nothing"):
        strategies.check(Settings(lora_targets="nothing"), "image", lambda: networks)
    strategies.check(Settings(), "image", lambda: networks)


def test_a_layer_before_the_networks_layers_is_no_target(tmp_path: Path) -> None:
    network = sources.load(f"hf:{pretrained.write_model(tmp_path / 'electra', 'electra')}")
    with pytest.raises(BadOption, match="names of linear layers there are"):
        strategies.check(Settings(lora_targets="embeddings_project"), "text", lambda: [network])
    strategies.check(Settings(lora_targets="query"), "text", lambda: [network])
