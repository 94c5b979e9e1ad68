"""Every family of text encoders keeps the Backbone contract: tiny models from configurations, random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headstart import sources
from headstart.sources.text.files import folder
from headstart.sources.text.networks import transformer
from headstart.testing import backbone as suite
from made.pretrained import CAUSAL, FAMILIES, LAYERS, write_model

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(family: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    if family not in folders:
        folders[family] = write_model(tmp_path_factory.mktemp(family), family)
    return folders[family]


def test_contract(root: Path, family: str) -> None:
    backbone = sources.load(f"hf:{root}")
    assert backbone.cuts == ("input", "embeddings", *(f"layer.{n + 1}" for n in range(LAYERS)))
    assert backbone.embedding.grid == ("last" if family in CAUSAL else "mean")
    suite.check_backbone(backbone, 3)


def reference(root: Path, family: str, x: torch.Tensor) -> Any:
    """What transformers itself makes of a batch: all hidden states, without our hands on its layers."""
    kind, config = FAMILIES[family][0], folder.record(root / "config.json", "")
    library = {key: value for key, value in config.items() if key != "model_type"}
    with transformer.quietly():
        network = transformers.AutoModel.from_pretrained(
            str(root), config=transformers.CONFIG_MAPPING[kind](**library), dtype=torch.float32
        )
    network = network.get_encoder() if network.config.is_encoder_decoder else network
    more = {"token_type_ids": x[:, 2]} if kind in ("bert", "electra", "albert") else {}
    ids = torch.where(x[:, 1] > 0, x[:, 0], config["pad_token_id"])
    with torch.no_grad():
        return network.eval()(input_ids=ids, attention_mask=x[:, 1], output_hidden_states=True, **more)


def test_states_are_those_of_transformers(root: Path, family: str) -> None:
    backbone = sources.load(f"hf:{root}")
    tokens = suite.random_tokens(backbone, 3)
    x = backbone.normalise(tokens)
    expected = reference(root, family, x)
    hidden = [*expected.hidden_states[:-1], expected.last_hidden_state]
    with torch.no_grad():
        states = backbone.states(x, backbone.cuts[1:])
    seen = x[:, 1].unsqueeze(-1)
    for cut, wanted in zip(backbone.cuts[1:], hidden, strict=True):
        if family == "albert" and cut == "embeddings":
            continue  # transformers gives the embeddings before they are widened
        assert torch.allclose(states[cut][..., :-1] * seen, wanted * seen, atol=1e-5), cut
        assert torch.equal(states[cut][..., -1:], seen.float())


@pytest.mark.parametrize("family", ["bert"])
def test_a_pass_that_ends_early_can_be_exported(root: Path) -> None:
    """A probe on a layer before the last reads only so far; the exporter must not stumble over the end."""
    backbone = sources.load(f"hf:{root}")

    class Early(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = backbone.module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return backbone.states(x, ("layer.1",))["layer.1"]

    x = backbone.normalise(suite.random_tokens(backbone, 3))
    with torch.no_grad():
        program = torch.export.export(Early(), (x,), strict=False)
        assert torch.allclose(program.module()(x), Early()(x), atol=1e-6)
