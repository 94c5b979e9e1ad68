"""Checkpoints as people save them: the trunk is that of the plain file, or the file is refused."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from headstart import sources
from headstart.errors import SourceError
from headstart.sources.files import weights

State = dict[str, torch.Tensor]
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"


def under(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def trunk(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def moved(state: State) -> State:
    """Another network of the same shape."""
    return {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def embedded(backbone: Any) -> torch.Tensor:
    x = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
    with torch.no_grad():
        return backbone.full(x)


PROJECTOR = {"projector.0.weight": torch.zeros(3, 3), "projector.0.bias": torch.zeros(3)}
WHOLE: dict[str, Callable[[State], Any]] = {
    "no head": trunk,
    "another head": lambda s: {**trunk(s), "fc.weight": torch.ones(9, 12), "fc.bias": torch.ones(9)},
    "a head of layers": lambda s: {**trunk(s), "fc.0.weight": torch.ones(12, 12), "fc.2.weight": torch.ones(3, 12)},
    "SimCLR": lambda s: under("backbone.", trunk(s)) | PROJECTOR,
    "SimSiam": lambda s: {"state_dict": under("module.encoder.", trunk(s)) | {"module.predictor.0.bias": s["fc.bias"]}},
    "SwAV": lambda s: under("module.", trunk(s)) | {"module.prototypes.weight": torch.zeros(3, 3)},
    "MoCo": lambda s: {
        "state_dict": under("module.encoder_q.", s)
        | under("module.encoder_k.", moved(s))
        | {"module.queue": torch.zeros(4, 8)}
    },
    "MoCo v3": lambda s: under("module.base_encoder.", s) | under("module.momentum_encoder.", moved(s)),
    "BYOL": lambda s: under("online_network.", s) | under("target_network.", moved(s)) | PROJECTOR,
    "DINO": lambda s: {
        "student": under("module.backbone.", moved(trunk(s))) | {"module.head.mlp.0.weight": s["fc.weight"]},
        "teacher": under("backbone.", trunk(s)) | {"head.mlp.0.weight": s["fc.weight"]},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
        "args": argparse.Namespace(lr=0.1),
    },
    "averages": lambda s: {"state_dict": moved(s), "state_dict_ema": s},
    "a classifier's wrapper": lambda s: {"model": under("_orig_mod.model.", s)},
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", WHOLE)
def test_the_embedding_is_that_of_the_plain_file(
    weight_file: Callable[..., str], small: nn.Module, name: str, suffix: str
) -> None:
    state = dict(small.state_dict())
    content = WHOLE[name](state)
    if suffix == ".safetensors":
        if not all(isinstance(value, torch.Tensor) for value in content.values()):
            pytest.skip("records inside each other are for pickled files")
        content = {key: value.clone() for key, value in content.items()}
    expected = embedded(sources.load(weight_file()))
    found = sources.load(weight_file(f"other{suffix}", content))
    assert torch.equal(embedded(found), expected)


def test_what_the_note_says(weight_file: Callable[..., str], small: nn.Module) -> None:
    state = dict(small.state_dict())
    found = sources.load(weight_file("a.pth", WHOLE["SimCLR"](state), labels=list("abcde"), note="mine"))
    assert found.source.note.startswith(
        "mine; 2 tensors of its file belong to no part of the network: projector.0."
    )
    assert "its record says 5 classes, and its file holds no classifier that fits" in found.source.note
    assert (found.classifier, found.source.labels) == (None, None)
    assert found.source.architecture["num_classes"] == 0
    found = sources.load(weight_file("b.pth", WHOLE["another head"](state)))
    assert found.source.note == "its record says 5 classes, and its file has 9: the file counts"
    assert found.classifier is not None
    found = sources.load(weight_file("c.pth", WHOLE["BYOL"](state)))
    assert "taken from 'online_network.'; 'target_network.' not used" in found.source.note
    assert sources.load(weight_file("d.pth", {"module": state})).source.note == ""


def test_a_head_that_is_a_single_number_is_none(weight_file: Callable[..., str], small: nn.Module) -> None:
    state = dict(small.state_dict())
    found = sources.load(weight_file("a.pth", {**state, "fc.weight": torch.tensor(1.0)}))
    assert torch.equal(embedded(found), embedded(sources.load(weight_file())))
    assert found.classifier is None
    assert "2 tensors of its file belong to no part of the network: fc.weight, fc.bias" in found.source.note
    assert "its file holds no classifier that fits" in found.source.note


@pytest.mark.parametrize(
    ("prefix", "averaged", "words"),
    [
        ("momentum_encoder.", False, "taken from 'the top'; 'momentum_encoder.' not used"),
        ("ema.", True, "taken from 'ema.'; no prefix not used"),
    ],
)
def test_a_copy_beside_a_trunk_at_the_top(
    weight_file: Callable[..., str], small: nn.Module, prefix: str, averaged: bool, words: str
) -> None:
    """One of them is taken, and of the other no tensor is called left over."""
    state = dict(small.state_dict())
    top, copied = (moved(state), state) if averaged else (state, moved(state))
    found = sources.load(weight_file("a.pth", {**top, **under(prefix, copied)}))
    assert torch.equal(embedded(found), embedded(sources.load(weight_file())))
    assert found.source.note == f"{words} (?prefix=NAME takes another)"
    more = sources.load(weight_file("b.pth", {**top, **under(prefix, copied), **PROJECTOR}))
    assert "2 tensors of its file belong to no part of the network: projector.0." in more.source.note


def test_a_copy_by_its_prefix(weight_file: Callable[..., str], small: nn.Module) -> None:
    state = dict(small.state_dict())
    plain, spec = embedded(sources.load(weight_file())), weight_file("a.pth", WHOLE["DINO"](state))
    assert torch.equal(embedded(sources.load(f"{spec}?prefix=teacher.backbone")), plain)
    assert not torch.equal(embedded(sources.load(f"{spec}?prefix=student.module.backbone")), plain)
    with pytest.raises(SourceError, match=r"not found under the prefix 'x', but under 'student\.module"):
        sources.load(f"{spec}?prefix=x")


REFUSED: dict[str, tuple[Callable[[State], Any], str]] = {
    "a part of the trunk": (
        lambda s: under("backbone.", {k: v for k, v in s.items() if "stage3" not in k}),
        "under 'backbone.' do not fit its architecture: ",
    ),
    "more layers": (
        lambda s: {**s, "stage4.1.conv1.weight": torch.zeros(1)},
        "1 tensor not expected (stage4.1.conv1.weight)",
    ),
    "another part": (lambda s: {**s, "neck.weight": torch.zeros(1)}, "1 tensor not expected (neck.weight)"),
    "two alike": (lambda s: under("a.", s) | under("b.", moved(s)), "there 2 times, under 'a.' and 'b.'"),
    "another shape": (
        lambda s: {**s, "stage1.0.conv1.weight": torch.zeros(1)},
        "1 tensor of another shape (stage1.0.conv1.weight)",
    ),
    "nothing": (lambda s: {"x": torch.zeros(1)}, "missing (stem.0.weight"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(weight_file: Callable[..., str], small: nn.Module, name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(SourceError) as caught:
        sources.load(weight_file("other.pth", make(dict(small.state_dict()))))
    assert words in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_pointer_is_called_that(weight_file: Callable[..., str], tmp_path: Path, suffix: str) -> None:
    spec = weight_file(f"net{suffix}")
    (tmp_path / f"net{suffix}").write_text(LFS)
    with pytest.raises(SourceError, match=r"is a pointer of Git LFS, .* git lfs pull"):
        sources.load(spec)


def test_names_of_torchvision(tmp_path: Path) -> None:
    network = sources.build(
        {"library": "torchvision", "arch": "squeezenet1_1", "num_classes": 4}, classifier=True
    )
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("classifier")}
    torch.save(under("encoder.", state), tmp_path / "net.pth")
    found = sources.load(f"file:{tmp_path}/net.pth?arch=torchvision/squeezenet1_1&input=64")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(found.full(x).flatten(1), network.features(x).flatten(1), atol=1e-5)


def test_a_file_that_changes_while_it_is_read(weight_file: Callable[..., str], tmp_path: Path) -> None:
    weight_file()
    path = tmp_path / "net.safetensors"
    with pytest.raises(SourceError, match="was changed while it was read"), weights.unchanged(path, "x"):
        path.write_bytes(path.read_bytes())
