"""Bundles that a disk has damaged or a stranger has made: one sentence that names the place."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from headstart.core import fingerprint
from headstart.core.model import Model
from headstart.core.untrusted import limits
from headstart.errors import BadOption, BundleError
from headstart.export import bundle
from headstart.export.model import load_model
from headstart.predict.selective import Caution
from made.models import tiny_images, tiny_model, tiny_task

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """`write(change, kind)`: a bundle whose description is changed; digests and fingerprint are made to fit."""

    def make(change: Callable[[Any], object] = len, kind: str = "average") -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        for name, content in bundle._files(tiny_model(kind), tiny_images(2)).items():
            (folder / name).write_bytes(content)
        found = json.loads((folder / "bundle.json").read_bytes())
        change(found)
        (folder / "bundle.json").write_text(json.dumps(found))
        monkeypatch.setattr(Model, "fingerprint", lambda model: found["fingerprint"])
        return folder

    return make


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        ("preprocessing.size", [], "bundle.json is damaged"),
        ("preprocessing.size", [float("inf"), 1], "finite numbers"),
        ("preprocessing.size", "32", "a list of numbers"),
        ("preprocessing.mean", [float("nan"), 0.5, 0.5], "finite numbers"),
        ("preprocessing.crop_pct", 1e-9, "cut from each image"),
        ("net.members", ["x"], "no recipe"),
        ("net.members", 3, "bundle.json is damaged"),
        ("net.weights", [[0.5], [0.5]], "does not run"),
        ("net.weights", [1e308, 1e308], "members with the weights"),
        ("net.sizes", [["a", "b"], None], "bundle.json is damaged"),
        ("task.labels", ["a", "b", "\ud800"], "half a character"),
        ("task.labels", "abc", "task.labels is 'abc', not a list"),
        ("task.kind", ["classification"], "task.kind"),
        ("probes.allowed", "1", "probes.allowed is '1', not a number"),
        ("files.model.safetensors", 3, "does not describe model.safetensors"),
    ],
)
def test_descriptions_of_other_forms(write: Write, at: str, value: Any, says: str) -> None:
    room, _, name = at.partition(".")
    folder = write(lambda content: content[room].update({name: value}))
    with pytest.raises(BundleError, match=says) as caught:
        load_model(folder).predict([tiny_images(1)[0].transpose(1, 2, 0)])
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_in_lists_without_end(write: Write) -> None:
    folder = write()
    (folder / "bundle.json").write_text("[" * 3000 + "]" * 3000)
    with pytest.raises(BundleError, match=r"bundle.json is damaged"):
        load_model(folder)


def tensors(folder: Path, name: str, arrays: dict[str, np.ndarray]) -> None:
    """Other tensors, with the digest that belongs to them."""
    raw = save(arrays)
    (folder / name).write_bytes(raw)
    content = json.loads((folder / "bundle.json").read_bytes())
    content["files"][name] = {"sha256": fingerprint.of_bytes(raw), "bytes": len(raw)}
    (folder / "bundle.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "inputs", [np.zeros((), np.uint8), np.zeros(3, np.uint8), np.zeros((0, 3, 32, 32), np.uint8)]
)
def test_probes_without_dimensions(write: Write, inputs: np.ndarray) -> None:
    folder = write()
    tensors(folder, "probes.safetensors", {"inputs": inputs, "outputs": np.zeros((1, 3), np.float32)})
    with pytest.raises(BundleError, match="probes do not fit"):
        bundle.verify(folder)


def test_what_does_not_run_names_its_file(write: Write) -> None:
    """From `predict` and `verify` alike."""
    folder = write(lambda content: content["net"].update(columns=[[0], [1], [700]]), "classifier")
    for use in (lambda: load_model(folder).predictor.scores(tiny_images(1)), lambda: bundle.verify(folder)):
        with pytest.raises(BundleError, match="does not run") as caught:
            use()
        assert str(folder) in str(caught.value)


def test_a_tensor_of_another_kind(write: Write) -> None:
    folder = write(kind="pixels")
    found = load((folder / "model.safetensors").read_bytes())
    tensors(folder, "model.safetensors", {**found, "head.bias": np.zeros((2, 2), np.float32)})
    with pytest.raises(BundleError, match=r"head.bias"):
        bundle.verify(folder)


def zipped(folder: Path, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", method) as out:
        for file in sorted(folder.iterdir()):
            out.write(file, file.name)
    return path


def test_a_small_archive_that_asks_for_much(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATIO_FROM", 10_000)
    folder = write()
    (folder / "model.safetensors").write_bytes(bytes(2**20))
    with pytest.raises(BundleError, match="would unpack to 1,048,576 bytes"):
        load_model(zipped(folder))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_another_size_is_not_even_read(
    write: Write, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    folder = write()
    (folder / "model.safetensors").write_bytes(b"x" * 5000)
    read: list[str] = []
    member, whole = zipfile.ZipFile.read, Path.read_bytes
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *a: read.append(a[1].filename) or member(*a))
    place = zipped(folder) if packed else folder
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or whole(path))
    with pytest.raises(BundleError, match=r"model.safetensors is damaged or was changed"):
        load_model(place)
    assert read == ["bundle.json"]


def test_an_archive_whose_directory_lies_before_its_start(write: Write) -> None:
    path = zipped(write(), method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\5\6")
    content[end + 12 : end + 20] = b"\xff\xff\0\0" + (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(BundleError, match="not a readable archive"):
        load_model(path)


@pytest.mark.parametrize(
    "known",
    [
        {"true": [0.5]}, {"true": "0.5", "top": [0.5], "right": [1]}, ["true"], 7,
        {"true": [[0.5]], "top": [[0.5]], "right": [[1]]}, {"true": [7.0], "top": [float("nan")], "right": [1]},
        {"true": [0.5], "top": [0.5, 0.6], "right": [1]}, {"true": [], "top": [{}], "right": [None]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("asked", [{"sets": 0.9}, {"risk": 0.1}])
def test_held_out_evidence_of_another_form(known: Any, asked: dict[str, float]) -> None:
    with pytest.raises(BadOption, match=f"--{next(iter(asked))}"):
        Caution.of({"held_out": known}, tiny_task(), **asked)
