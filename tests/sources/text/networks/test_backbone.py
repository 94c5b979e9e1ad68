"""What a text backbone does beyond the contract's suite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import sources
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.errors import BadOption, NetError, SourceError, UnknownName
from headstart.modalities import text
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.sources.text.files import folder
from headstart.sources.text.networks import transformer
from headstart.sources.text.networks.backbone import TextBackbone, wrap
from headstart.testing import backbone as suite
from made.pretrained import FAMILIES, WIDTH, write_model, write_sentence_model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("models")
    return {family: write_model(base / family, family) for family in ("bert", "t5", "gpt2", "mpnet")}


@pytest.fixture
def bert(roots: dict[str, Path]) -> Any:
    return sources.load(f"hf:{roots['bert']}")


def batch(backbone: Any, *texts: str) -> torch.Tensor:
    contract = backbone.source.input
    prepared = [text.prepare(words.encode(), contract) for words in texts]
    found: torch.Tensor = backbone.normalise(torch.from_numpy(text.collate(prepared)))
    return found


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_two_texts_apart(roots: dict[str, Path], family: str) -> None:
    joint = sources.load(f"hf:{roots[family]}")
    apart = sources.apart(joint)
    assert apart.source.name == f"{joint.source.name} apart"
    assert apart.source == sources.apart(joint.source)
    assert sources.apart(apart.source) == apart.source
    assert {id(p) for p in apart.module.parameters()} == {id(p) for p in joint.module.parameters()}
    assert apart.digest == joint.digest
    suite.check_backbone(apart, 3)
    pair = batch(apart, "\x1erain and snow\x1ebread")
    with torch.no_grad():
        one, two = (
            joint.pool(joint.full(batch(joint, t)), joint.embedding) for t in ("rain and snow", "bread")
        )
        found = apart.pool(apart.full(pair), apart.embedding)
    assert torch.allclose(found, torch.cat([one - two, (one - two).abs(), one * two], 1), atol=1e-5)


def test_apart_by_name(roots: dict[str, Path]) -> None:
    spec = f"hf:{roots['bert']} apart"
    assert sources.find(spec).spec == spec
    assert sources.load(spec).source.input.pairs == "apart"
    with pytest.raises(SourceError, match="reads no texts"):
        sources.find("bundled/strokes apart")


def test_threads_do_not_meet(bert: Any) -> None:
    """Several passes through one network at once, each with a cut of its own."""
    x = bert.normalise(suite.random_tokens(bert, 3))
    with torch.no_grad():
        expected = {cut: bert.states(x, (cut,))[cut] for cut in bert.cuts}

    def work(turn: int) -> bool:
        cut = bert.cuts[1 + turn % (len(bert.cuts) - 1)]
        with torch.no_grad():
            tail = bert.tail(cut)(expected[cut])
            state = bert.states(x, (cut,))[cut]
        return torch.equal(state, expected[cut]) and suite.close(tail, expected[bert.cuts[-1]])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(60)))


def test_layers_that_are_not_needed_do_not_run(bert: Any) -> None:
    ran: list[int] = []
    layers = bert._network.get_submodule("encoder.layer")
    for number, layer in enumerate(layers):
        layer.attention.register_forward_hook(lambda *_, number=number: ran.append(number))
    x = bert.normalise(suite.random_tokens(bert, 2))
    state = bert.trunk("layer.1")(x)
    assert ran == [0]
    bert.tail("layer.2")(state)
    assert ran == [0, 2]
    bert.states(x, ("layer.2", "embeddings"))
    assert ran == [0, 2, 0, 1]


def test_a_tail_holds_what_lies_behind_its_cut(roots: dict[str, Path]) -> None:
    for family, path, closing in (("bert", "encoder.layer", ""), ("gpt2", "h", "ln_f")):
        backbone = sources.load(f"hf:{roots[family]}")
        whole = dict(backbone.module.named_parameters())
        names = {name for name, _ in backbone.tail("layer.2").named_parameters()}
        expected = {n for n in whole if n.startswith((f"{path}.2.", *([closing] if closing else [])))}
        assert names == expected
        assert all(p is whole[n] for n, p in backbone.tail("layer.2").named_parameters())
        before = {name for name, _ in backbone.trunk("layer.2").named_parameters()}
        assert before == set(whole) - expected


@pytest.mark.parametrize("family", ["bert", "t5", "gpt2", "mpnet"])
def test_parts_move_with_the_whole(roots: dict[str, Path], family: str) -> None:
    """One call moves every trunk and tail, and what lies before a tail is moved with it."""
    backbone = sources.load(f"hf:{roots[family]}")
    x = backbone.normalise(suite.random_tokens(backbone, 2))
    trunk, tail = backbone.trunk("layer.2"), backbone.tail("layer.2")
    with torch.no_grad():
        expected = tail(trunk(x))
        tail.double()
        state = trunk(x)
        assert state.dtype == torch.float64
        assert torch.allclose(tail(state).float(), expected, atol=1e-4)
        assert torch.allclose(tail(state), backbone.full(x))


def test_a_text_without_tokens(roots: dict[str, Path]) -> None:
    for family in ("gpt2", "bert", "t5"):
        backbone = sources.load(f"hf:{roots[family]}")
        tokens = suite.random_tokens(backbone, 3)
        tokens[1] = 0
        with torch.no_grad():
            states = backbone.states(backbone.normalise(tokens), backbone.cuts[1:])
            for tap in backbone.taps():
                pooled = backbone.pool(states[tap.stage], tap)
                assert torch.isfinite(pooled).all()
                assert not pooled[1].any()


def test_scaled_at_the_embedding_only(tmp_path: Path) -> None:
    backbone = sources.load(f"hf:{write_sentence_model(tmp_path, pooling='max')}")
    x = batch(backbone, "snow and wind", "the cheese")
    with torch.no_grad():
        state = backbone.full(x)
        lengths = {word: backbone.pool(state, Tap("layer.3", word)).norm(dim=1) for word in ("max", "mean")}
    assert torch.allclose(lengths["max"], torch.ones(2))
    assert not torch.allclose(lengths["mean"], torch.ones(2), atol=0.05)
    with pytest.raises(BadOption, match="pooling"):
        backbone.pool(state, Tap("layer.3", "middle"))
    with pytest.raises(UnknownName):
        backbone.pool(state, Tap("layer.9", "mean"))
    with pytest.raises(UnknownName):
        backbone.trunk("layer.9")


def test_deep_networks_have_thirteen_stages() -> None:
    config = {"model_type": "bert", **FAMILIES["bert"][1], "vocab_size": 20, "num_hidden_layers": 24}
    architecture = folder.architecture(config, "")
    source = Source("", "deep", "text", architecture, input=TextPreprocessing("{}"))
    backbone = wrap(transformer.build(architecture), source, rebuild=lambda: transformer.build(architecture))
    names = [stage.name for stage in backbone.stages]
    assert len(backbone.cuts) == 26
    assert names == ["embeddings", *(f"layer.{n}" for n in range(2, 25, 2))]
    assert Tap("embeddings", "cls") not in backbone.taps()


def test_networks_that_are_no_stack() -> None:
    fields = {"d_model": 16, "n_layer": 3, "n_head": 4, "d_inner": 32, "vocab_size": 20}
    architecture = folder.architecture({"model_type": "xlnet", **fields}, "")
    source = Source("hf/xlnet", "xlnet", "text", architecture, input=TextPreprocessing("{}"))
    with pytest.raises(SourceError, match="no plain stack of layers"):
        wrap(transformer.build(architecture), source, rebuild=lambda: None)  # type: ignore[arg-type,return-value]


def test_state_alone_rebuilds(bert: TextBackbone) -> None:
    """A bundle holds numpy arrays and JSON, nothing else."""
    import json

    architecture = json.loads(json.dumps(bert.source.architecture))
    assert architecture["library"] == "transformers"
    assert not {"_name_or_path", "auto_map"} & set(architecture["kwargs"])
    state = {name: t.numpy() for name, t in bert.module.state_dict().items()}
    assert not any("pooler" in name for name in state)
    again = sources.from_state(architecture, bert.source.input, state)
    assert again.digest == bert.digest
    with pytest.raises(Exception, match="does not fit its weights"):
        sources.from_state(architecture, bert.source.input, {**state, "more": np.zeros(3)})
    with pytest.raises(UnknownName, match="library of text networks"):
        sources.from_state({"library": "timm", "arch": "x"}, bert.source.input, state)
    with pytest.raises(SourceError, match="bring their own code are not run"):
        sources.from_state({"library": "transformers", "arch": "own_thing"}, bert.source.input, state)


class AllTaps(torch.nn.Module):
    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.trunk, self.backbone = backbone.module, backbone

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        cuts = tuple(stage.cut for stage in self.backbone.stages)
        states = self.backbone.states(self.backbone.normalise(tokens), cuts)
        return torch.cat([self.backbone.pool(states[tap.stage], tap) for tap in self.backbone.taps()], 1)


@pytest.mark.parametrize(
    "family", ["bert", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gpt2", "mpnet"))]
)
def test_can_be_followed_for_export(roots: dict[str, Path], family: str) -> None:
    """One graph for every number of texts and tokens."""
    backbone = sources.load(f"hf:{roots[family]}")
    network = AllTaps(backbone).eval()
    tokens = suite.random_tokens(backbone, 3)
    sizes = {0: torch.export.Dim("N", min=1, max=64), 2: torch.export.Dim("T", min=2, max=32)}
    with torch.no_grad():
        graph = torch.export.export(network, (tokens,), dynamic_shapes=(sizes,), strict=False).module()
        for texts, length in ((1, 2), (2, 9), (3, 18)):
            part = torch.cat([tokens, tokens], 2)[:texts, :, :length]
            assert torch.allclose(graph(part), network(part), atol=1e-5)
            assert network(part).shape == (texts, WIDTH * len(backbone.taps()))


def test_claimed_sizes_take_no_memory(bert: TextBackbone) -> None:
    """A bundle's description may claim anything; the tensors are there."""
    architecture = dict(bert.source.architecture)
    state = {name: t.numpy() for name, t in bert.module.state_dict().items()}
    for claim in ({"vocab_size": 10**12}, {"num_hidden_layers": 10**9}):
        kwargs = {**architecture["kwargs"], **claim}
        with pytest.raises(NetError, match=r"does not fit its weights|layers, and"):
            sources.from_state({**architecture, "kwargs": kwargs}, bert.source.input, state)


def test_no_name_of_other_code_reaches_the_library() -> None:
    """The name of an attention may be that of a repository whose kernels transformers would run."""
    kwargs = {
        "attn_implementation": "someone/kernels",
        "_attn_implementation": "someone/kernels",
        "auto_map": {"AutoModel": "someone--model.Model"},
        "num_hidden_layers": 1,
    }
    config = transformer.configuration({"library": "transformers", "arch": "bert", "kwargs": kwargs})
    assert config._attn_implementation != "someone/kernels"
    assert not hasattr(config, "auto_map")
    assert folder.plain({"text_config": {"model_type": "a", "attn_implementation": "b/c", "rank": 1}}) == {
        "text_config": {"model_type": "a", "rank": 1}
    }
