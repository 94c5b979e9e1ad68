"""Sources that somebody else wrote: a record, a network or a tokenizer, or a `HeadstartError`."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from headstart import sources
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities import text
from headstart.modalities.text.preprocessing import text_input
from headstart.sources.files import weights

from .mutate import Family

RECORD = {"library": "headstart", "arch": "small-resnet", "kwargs": {"widths": [1, 1, 1, 1]}, "num_classes": 2,
          "input": 8, "mean": [0.5] * 3, "std": [0.25] * 3, "labels": ["a", "b"], "crop_pct": 1.0}  # fmt: skip
SETTINGS = {"arch": "timm/resnet18", "kwargs": {"act_layer": "silu", "drop_rate": 0.1}, "input": [32, 48],
            "prior": 0.5, "labels": "names.txt", "sha256": "0" * 64, "source_data": "in1k"}  # fmt: skip


def side_car(content: dict[str, object]) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        path = folder / "net.json"
        path.write_text(json.dumps(content))
        (folder / "inputs").mkdir()
        described(Path(shutil.copy(path, folder / "inputs")))  # the library is imported before time counts
        return path.read_bytes()

    return make


def described(path: Path) -> Source:
    """The file as the side-car of weights that are not looked into."""
    folder = path.parent.parent / "beside"
    folder.mkdir(exist_ok=True)
    (folder / "net.pth").write_bytes(b"x")
    (folder / "names.txt").write_text("a\nb")
    shutil.copy(path, folder / "net.json")
    return sources.find(f"file:{folder}/net.pth")


def state() -> dict[str, torch.Tensor]:
    network = sources.build(RECORD, classifier=True)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def pickled(folder: Path) -> bytes:
    torch.save({"state_dict": state(), "epoch": 3}, folder / "net.pth")
    return (folder / "net.pth").read_bytes()


def tensors(path: Path) -> object:
    return weights.read_all(path, "x")


def opened(path: Path) -> object:
    """A checkpoint as a user names it: the network that it gives, put to use."""
    net = path.parent.parent / f"net{path.suffix}"
    net.with_suffix(".json").write_text(json.dumps(RECORD))
    shutil.copy(path, net)
    backbone = sources.load(f"file:{net}")
    with torch.no_grad():
        return backbone.full(backbone.normalise(torch.from_numpy(backbone.example(1))))


def checkpoint(suffix: str, write: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        first = folder / "inputs" / f"first{suffix}"
        first.parent.mkdir()
        first.write_bytes(write(folder))
        opened(first)  # the library is imported before time counts
        return first.read_bytes()

    return make


def embedded(found: object) -> bool:
    return isinstance(found, torch.Tensor) and found.shape == (1, 1)


def vectors(_: Path) -> bytes:
    rows = np.random.default_rng(0).normal(size=(20, 3)).round(3)
    return ("20 3\n" + "".join(f"word{i} {' '.join(map(str, row))}\n" for i, row in enumerate(rows))).encode()


def bag(path: Path) -> Source:
    return sources.find(f"vectors:{path}?words=50")


def tokenizer(_: Path) -> bytes:
    package = pytest.importorskip("tokenizers")
    words = {word: i for i, word in enumerate(("[UNK]", "[CLS]", "[SEP]", "red", "green"))}
    made = package.Tokenizer(package.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = package.pre_tokenizers.Split(package.Regex(r"\s*[\r\n]+|\w+"), "isolated")
    made.post_processor = package.processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 1), ("[SEP]", 2)]
    )
    return str(made.to_str()).encode()


def config(_: Path) -> bytes:
    return json.dumps({"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 2, "pad_token_id": 0,
                       "max_position_embeddings": 16, "vocab_size": 5, "architectures": ["BertModel"]}).encode()  # fmt: skip


def modules(_: Path) -> bytes:
    steps = [("Transformer", ""), ("Pooling", "1_Pooling")]
    return json.dumps(
        [{"path": path, "type": f"sentence_transformers.models.{kind}"} for kind, path in steps]
    ).encode()


def in_folder(name: str) -> Callable[[Path], object]:
    """The file as one of a model's folder; its tokenizer is put to use."""

    def read(path: Path) -> object:
        folder = path.parent.parent / "model"
        if not folder.exists():
            (folder / "1_Pooling").mkdir(parents=True)
            for other, content in {
                "config.json": config(folder),
                "tokenizer.json": tokenizer(folder),
                "modules.json": modules(folder),
                "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
                "model.safetensors": save({"x": torch.zeros(2)}),
            }.items():
                (folder / other).write_bytes(content)
        shutil.copy(path, folder / name)
        found = sources.find(f"hf:{folder}")
        if name == "tokenizer.json":
            try:
                text.prepare(b"red green\n\nblue", text_input(found))
            except ValueError as error:  # what becomes a sentence when the source is loaded
                raise SourceError("x", str(error)) from error
        return found

    return read


FAMILIES = [
    Family("net.json", side_car(RECORD), described),
    Family("settings.json", side_car(SETTINGS), described),
    Family("net.pth", pickled, tensors),
    Family("net.safetensors", lambda _: save(state()), tensors),
    Family("opened.pth", checkpoint(".pth", pickled), opened, embedded),
    Family("opened.safetensors", checkpoint(".safetensors", lambda _: save(state())), opened, embedded),
    Family("v.vec", vectors, bag),
    Family("v.vec.gz", lambda folder: gzip.compress(vectors(folder), mtime=0), bag),
    Family("tokenizer.json", tokenizer, in_folder("tokenizer.json")),
    Family("config.json", config, in_folder("config.json")),
    Family("modules.json", modules, in_folder("modules.json")),
]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_sources(check_family: Callable[[Family], None], family: Family) -> None:
    check_family(family)
