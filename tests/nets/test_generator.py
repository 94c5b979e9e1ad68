"""A model that writes, as a disk has damaged it or a stranger has made it: one sentence that names the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from headstart import sources, tasks
from headstart.core import fingerprint
from headstart.core.model import Model
from headstart.errors import BundleError
from headstart.export import bundle
from headstart.export.model import load_model
from headstart.modalities.text import Text, collate, prepare
from headstart.nets.generator import TOKENIZER, tensors_of
from made.pretrained import write_writer

PROBES = ("rain snow", "train ticket map")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    backbone: Any = sources.load(f"hf:{write_writer(tmp_path_factory.mktemp('made') / 't5')}").prompted(())  # type: ignore[attr-defined]
    generator = backbone.generator().writes(6)
    net = {
        "kind": "generator",
        "architecture": dict(generator.architecture),
        "writing": generator.writing.to_json(),
        "cut": "input",
    }
    task = tasks.get("translate").make_task(["target"])
    model = Model(task, backbone.source.input, net, tensors_of(generator), source={"spec": "hf:t5"})
    return bundle._files(model, collate([prepare(Text(text), model.input) for text in PROBES]))


def written(files: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch, **others: Any) -> Path:
    """A bundle with another description, or other tensors; digests and fingerprint are made to fit."""
    folder.mkdir()
    content = json.loads(files["bundle.json"])
    raw = {**files}
    if "tensors" in others:
        raw["model.safetensors"] = save({**load(files["model.safetensors"]), **others["tensors"]})
    for name, data in raw.items():
        (folder / name).write_bytes(data)
        if name != "bundle.json":
            content["files"][name] = {"sha256": fingerprint.of_bytes(data), "bytes": len(data)}
    *rooms, name = others.get("at", "").split(".")
    room = content
    for one in rooms:
        room = room[one]
    room |= {name: others["value"]} if name else {}
    (folder / "bundle.json").write_text(json.dumps(content))
    monkeypatch.setattr(Model, "fingerprint", lambda model: content["fingerprint"])
    return folder


def test_as_it_was_saved_it_writes(files: dict[str, bytes], tmp_path: Path, monkeypatch: Any) -> None:
    folder = written(files, tmp_path / "model", monkeypatch)
    assert bundle.verify(folder)
    assert len(load_model(folder).predict(list(PROBES))) == 2


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        ("net.writing", None, "usable 'writing'"),
        ("net.writing.end", [], "way to write"),
        ("net.writing.end", "3", "usable 'writing'"),
        ("net.writing.end", [float("inf")], "usable 'writing'"),
        ("net.writing.end", [[3]], "usable 'writing'"),
        ("net.writing.start", [-1], "way to write"),
        ("net.writing.start", [10**6], "does not run"),
        ("net.writing.start", [], "does not run"),
        ("net.writing.longest", 10**9, "way to write"),
        ("net.writing.longest", True, "usable 'writing'"),
        ("net.cut", "layer.2", "not its input"),
        ("net.cut", 3, "usable 'cut'"),
        ("net.architecture", {}, "architecture"),
        ("net.architecture.arch", "bert", "bert"),
        ("net.architecture.kwargs.vocab_size", 3, "does not fit its weights"),
        ("net.architecture.kwargs.num_layers", 9, "missing|lacks"),
        ("net.strange", 1, "unknown fields: strange"),
        ("task.kind", "classification", "no answers of classification"),
    ],
)
def test_descriptions_of_other_forms(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: Any, at: str, value: Any, says: str
) -> None:
    folder = tmp_path / "model"
    written(files, folder, monkeypatch, at=at, value=value)
    with pytest.raises(BundleError, match=says) as caught:
        load_model(folder).predict(list(PROBES))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (TOKENIZER, np.zeros(3, np.uint8), "cannot be opened|damaged|words.tokenizer"),
        (TOKENIZER, np.frombuffer(b"{}", np.uint8), "cannot be opened"),
        (TOKENIZER, np.frombuffer(b"\xff\xfe", np.uint8), "usable 'writing'|tokenizer"),
        (TOKENIZER, np.zeros(3, np.float32), "lacks the tensor"),
        ("trunk.shared.weight", np.zeros((2, 2), np.float32), "shared.weight"),
        ("trunk.other", np.zeros(2, np.float32), "other"),
    ],
)
def test_tensors_of_other_forms(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: Any, name: str, value: Any, says: str
) -> None:
    folder = written(files, tmp_path / "model", monkeypatch, tensors={name: value})
    with pytest.raises(BundleError, match=says) as caught:
        load_model(folder).predict(list(PROBES))
    assert str(folder) in str(caught.value)
