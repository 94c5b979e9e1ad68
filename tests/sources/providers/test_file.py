from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from headstart import sources
from headstart.errors import HeadstartError, SourceError
from headstart.sources.files.weights import sha256_of

Write = Callable[..., str]


def logits(backbone: Any) -> torch.Tensor:
    x = backbone.normalise(torch.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32).remainder(256).byte())
    with torch.no_grad():
        return backbone.classifier(backbone.full(x))


def test_side_car(weight_file: Write, small: nn.Module) -> None:
    spec = weight_file(note="a note", licence="MIT", labels=["a", "b", "c", "d", "e"], name="mine")
    source = sources.find(spec)
    assert (source.name, source.note, source.licence, source.local) == ("mine", "a note", "MIT", True)
    assert source.input.size == (32, 32)
    assert source.input.crop_pct == 1.0
    assert source.labels == ("a", "b", "c", "d", "e")
    backbone = sources.load(source)
    for name, tensor in backbone.module.state_dict().items():
        assert torch.equal(tensor, small.state_dict()[name])
    assert logits(backbone).shape == (2, 5)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": {f"module.{k}": v for k, v in s.items()}},
        lambda s: {"state_dict": {f"model._orig_mod.{k}": v for k, v in s.items()}},
    ],
)
def test_checkpoints_of_training_scripts(weight_file: Write, small: nn.Module, wrap: Any) -> None:
    plain = logits(sources.load(weight_file()))
    found = logits(sources.load(weight_file("other.pth", wrap(dict(small.state_dict())))))
    assert torch.equal(plain, found)


def test_half_precision_is_widened(weight_file: Write, small: nn.Module) -> None:
    state = {k: v.half() if v.is_floating_point() else v for k, v in small.state_dict().items()}
    backbone = sources.load(weight_file("half.safetensors", state))
    assert {p.dtype for p in backbone.module.parameters()} == {torch.float32}


@pytest.mark.parametrize("given", [None, 5])
def test_number_of_classes_is_found(weight_file: Write, given: int | None) -> None:
    assert sources.load(weight_file(num_classes=given)).source.architecture["num_classes"] == 5


def test_without_classifier(weight_file: Write, small: nn.Module) -> None:
    state = {k: v for k, v in small.state_dict().items() if not k.startswith("fc.")}
    for given in (None, 0):
        assert sources.load(weight_file("trunk.pt", state, num_classes=given)).classifier is None


def test_options_come_before_the_side_car(weight_file: Write, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("eins\nzwei\n\ndrei\nvier\nfünf\n", encoding="utf-8")
    spec = weight_file() + "?input=48x64&mean=0.1,0.2,0.3&std=1,1,1&labels=names.txt&interpolation=bilinear"
    source = sources.find(spec)
    assert source.input.size == (48, 64)
    assert source.input.mean == (0.1, 0.2, 0.3)
    assert source.input.interpolation == "bilinear"
    assert source.labels == ("eins", "zwei", "drei", "vier", "fünf")
    assert sources.load(spec).full(torch.zeros(1, 3, 48, 64)).shape == (1, 12)


def test_architecture_by_option(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = sources.build(
        {"library": "timm", "arch": "mobilenetv3_small_050", "num_classes": 7}, classifier=True
    )
    torch.save(network.state_dict(), tmp_path / "m.pth")
    source = sources.find(f"file:{tmp_path}/m.pth?arch=timm/mobilenetv3_small_050&input=64")
    assert source.input.std == (0.229, 0.224, 0.225)  # timm's own recipe where nothing is said
    backbone = sources.load(source)
    assert backbone.source.architecture["num_classes"] == 7
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(backbone.classifier(backbone.full(x)), network(x), atol=1e-5)


def test_narrow_mobilenet(tmp_path: Path) -> None:
    architecture = {
        "library": "timm",
        "arch": "mobilenetv1_100",
        "channel_multiplier": 0.25,
        "kwargs": {"pad_type": "same"},
        "num_classes": 3,
    }
    network = sources.build(architecture, classifier=True)
    torch.save(network.state_dict(), tmp_path / "m.pth")
    (tmp_path / "m.json").write_text(
        json.dumps({**architecture, "input": 64, "mean": [0.5] * 3, "std": [0.5] * 3})
    )
    backbone = sources.load(f"file:{tmp_path}/m.pth")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(backbone.classifier(backbone.full(x)), network(x), atol=1e-5)


class Code:
    """An object whose pickle needs this class."""


def test_code_is_never_run(weight_file: Write) -> None:
    with pytest.raises(SourceError, match="code is never run"):
        sources.load(weight_file("evil.pth", {"state_dict": Code()}))


def test_digest_is_checked(weight_file: Write, tmp_path: Path) -> None:
    weight_file()
    right = sha256_of(tmp_path / "net.safetensors")
    sources.load(weight_file(sha256=right))
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load(weight_file(sha256="0" * 64))


def test_damaged_file(weight_file: Write, tmp_path: Path) -> None:
    spec = weight_file()
    path = tmp_path / "net.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="cannot be read"):
        sources.load(spec)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kwargs": {"widths": [4, 8, 8, 16]}}, "of another shape (stage4"),
        ({"kwargs": {"widths": [4, 8, 8, 12], "depths": [1, 1, 1, 2]}}, "missing (stage4.1.conv1.weight"),
        ({"arch": "small-resnets"}, "no network of Headstart is called"),
        ({"library": "tim"}, "did you mean 'timm'"),
        ({"library": None, "arch": None}, "its architecture is not known"),
        ({"kwargs": {"widths": 3}}, "four whole numbers"),
        ({"library": "timm", "arch": "vgg11", "kwargs": {"colour": 1}}, "takes no argument 'colour'"),
        ({"library": "timm", "arch": "vgg11", "kwargs": {"head_dim": 1}}, "cannot be built"),
        ({"mean": [0.5]}, "mean and std have 1 and 3 numbers"),
        ({"std": [0.0] * 3}, "std must be above 0"),
        ({"input": 100000}, "cannot be used"),
        ({"input": "big"}, "cannot be used"),
        ({"labels": ["a", "b"]}, "2 label names are given, but its classifier has 5 classes"),
        ({"labels": "nowhere.txt"}, "its list of labels nowhere.txt cannot be read"),
        ({"num_classes": ["x"]}, "num_classes is ['x'], not a number"),
        ({"channel_multiplier": -1}, "channel_multiplier is -1"),
        ({"input": float("inf")}, "input is 'inf', not a number"),
        ({"input": "32"}, "input is '32', not a number"),
        ({"mean": "555"}, "mean is '555', not a number"),
        ({"labels": {"0": "cat"}}, "labels are neither a list of names"),
        ({"labels": "../names.txt"}, "lies outside the folder of its record"),
        ({"labels": "/etc/hostname"}, "lies outside the folder of its record"),
        ({"kwargs": {"widths": [4, 8, 8, 60_000]}}, "numbers, and its file 5,2"),
    ],
)
def test_mistakes(weight_file: Write, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(HeadstartError) as caught:
        sources.load(weight_file(**fields))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("?colour=red", "no option 'colour'"),
        ("?input=big", "input=big cannot be read"),
        ("?mean=a,b", "mean=a,b cannot be read"),
        (".missing.pth", "is not there"),
    ],
)
def test_mistakes_in_the_spec(weight_file: Write, tail: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        sources.find(weight_file() + tail)
    assert words in str(caught.value)


def test_not_a_weight_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.pth").write_text("x")
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(SourceError, match=r"ends in \.safetensors"):
        sources.find(f"file:{tmp_path}/a.txt")
    with pytest.raises(SourceError, match="is a folder"):
        sources.find(f"file:{tmp_path}")
    with pytest.raises(SourceError, match="is no record"):
        sources.find(f"file:{tmp_path}/a.pth")


def test_a_question_mark_in_a_path(weight_file: Write) -> None:
    assert sources.find(weight_file("what?.safetensors")).local
