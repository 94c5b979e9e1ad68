"""Arguments of architectures that somebody else wrote: only what is listed is handed on."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart import sources
from headstart.errors import SourceError
from headstart.sources.files import audit
from headstart.sources.text.files import folder


class Code:
    """Its pickle makes a folder when it is opened."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


def test_a_side_car_opens_no_second_file(tmp_path: Path) -> None:
    marker, other = tmp_path / "run", tmp_path / "other.pth"
    other.write_bytes(pickle.dumps(Code(marker)))
    architecture = {"library": "timm", "arch": "resnet10t", "kwargs": {"checkpoint_path": str(other)}}
    (tmp_path / "net.pth").write_bytes(b"x")
    (tmp_path / "net.json").write_text(json.dumps(architecture))
    for use in (
        lambda: sources.find(f"file:{tmp_path}/net.pth"),
        lambda: sources.build(architecture, classifier=True),
        lambda: sources.from_state(architecture, sources.find("bundled/strokes").input, {}),
    ):
        with pytest.raises(
            SourceError, match="takes no argument 'checkpoint_path' from a file; known: aa_layer, "
        ):
            use()
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "pretrained",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "cache_dir",
        "features_only",
        "weights",
        "url",
        "x",
    ],
)
@pytest.mark.parametrize("library", ["timm", "torchvision", "headstart"])
def test_only_what_is_listed(library: str, name: str) -> None:
    with pytest.raises(SourceError, match="takes no argument"):
        audit.check({"library": library, "arch": "resnet18", "kwargs": {name: 1}})


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"embed_dim": 10**9}, "at most 65,536"),
        ({"depths": [1_000_000]}, "at most 512"),
        ({"depths": [200, 200, 200]}, "600 together; at most 512"),
        ({"act_layer": "../x"}, "not a short word"),
        ({"act_layer": "x" * 65}, "not a short word"),
        ({"act_layer": {"a": 1}}, "only numbers, words"),
        ({"mlp_ratio": float("nan")}, "only numbers, words"),
        ({"depths": [[[[1]]]]}, "lists inside each other"),
        ({"depths": [1] * 65}, "more than 64 values"),
        ([1], "are no record"),
    ],
)
def test_only_plain_values(kwargs: Any, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        audit.check({"library": "timm", "arch": "x", "kwargs": kwargs})
    assert words in str(caught.value)


def test_what_networks_of_texts_may_say() -> None:
    kwargs = {"hidden_size": 8, "scale_attn_weights": True, "pretraining_tp": 1, "id": {"rope_theta": 1e4}}
    audit.check({"library": folder.LIBRARY, "arch": "data2vec-text", "kwargs": kwargs})
    for name in (
        "attn_implementation",
        "experts_implementation",
        "auto_map",
        "trust_remote_code",
        "pretrained_cfg",
        "use_pretrained_backbone",
        "architecture",
        "model_args",
        "checkpoint_path",
        "cache_dir",
        "weights",
        "quantization_config",
    ):
        with pytest.raises(SourceError, match="may reach for other files or code"):
            audit.check({"library": folder.LIBRARY, "arch": "bert", "kwargs": {"text_config": [{name: "x"}]}})


def test_labels_lie_beside_their_record(weight_file: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "names.txt").write_text("\n".join("abcde"))
    assert sources.find(weight_file(labels="lists/names.txt")).labels == tuple("abcde")
    elsewhere = tmp_path.parent / "names.txt"
    elsewhere.write_text("\n".join("vwxyz"))
    spec = weight_file()
    assert sources.find(f"{spec}?labels={elsewhere}").labels == tuple("vwxyz")  # by whoever asks
    (tmp_path / "lists" / "names.txt").write_bytes(b"a\n" * 9_000_000)
    with pytest.raises(SourceError, match="larger than the 16,777,216 bytes"):
        sources.find(weight_file(labels="lists/names.txt"))
