from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart import sources
from headstart.errors import SourceError, WeightsMissing
from headstart.sources.files import fetching
from made.pretrained import write_model, write_sentence_model

pytest.importorskip("transformers")
NAME, REVISION = "someone/tiny-bert", "abc123"
SPEC = f"hf/{NAME}"


def put(hub: Path, root: Path, name: str = NAME) -> Path:
    """A model as the hub's cache keeps it: weights in a file named by their SHA-256, and a link to it."""
    repository = hub / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / REVISION
    shutil.copytree(root, snapshot)
    weights = snapshot / "model.safetensors"
    blob = repository / "blobs" / hashlib.sha256(weights.read_bytes()).hexdigest()
    blob.parent.mkdir()
    weights.rename(blob)
    weights.symlink_to(blob)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    return snapshot


@pytest.fixture
def cached(tmp_path: Path) -> Callable[..., Path]:
    return lambda name=NAME: put(tmp_path / "hub", write_sentence_model(tmp_path / name), name)


def test_found_in_the_cache(cached: Callable[..., Path]) -> None:
    snapshot = cached()
    source = sources.find(SPEC)
    assert (source.local, source.revision, source.name) == (True, REVISION, NAME)
    assert source.sha256 == (snapshot / "model.safetensors").resolve().name
    assert source.size_bytes == (snapshot / "model.safetensors").stat().st_size
    backbone = sources.load(source)
    assert backbone.source.parameters == source.parameters
    assert backbone.source.sha256 == source.sha256
    assert [s.spec for s in sources.available("tiny-bert", "text", local=True)] == [SPEC]
    assert sources.find(f"{SPEC}@{REVISION}").local
    assert not sources.find(f"{SPEC}@other").local


def test_a_recommended_one_is_found_too(cached: Callable[..., Path]) -> None:
    cached("BAAI/bge-small-en-v1.5")
    (found,) = (s for s in sources.at_hand("text") if s.spec.startswith("hf/"))
    assert found.licence == "mit"
    assert found.input.encoder


def test_listing_goes_on_past_what_cannot_be_used(cached: Callable[..., Path], tmp_path: Path) -> None:
    (cached() / "1_Pooling" / "config.json").write_text("{}")
    root = write_model(tmp_path / "picture")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (root / name).unlink()
    put(tmp_path / "hub", root, "timm/tiny-net")
    found = sources.available("tiny", "text")
    assert [(s.spec, s.local) for s in found] == [(SPEC, False)]
    assert "pooling is not supported" in found[0].note
    with pytest.raises(SourceError, match="pooling is not supported"):
        sources.find(SPEC)


def test_changed_weights(cached: Callable[..., Path]) -> None:
    blob = (cached() / "model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-4] + b"1234")
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load(SPEC)


@pytest.mark.parametrize("name", ["a/b/c", "a b", "../x", "a/b@"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(SourceError, match="a name of the hub is written"):
        sources.find(f"hf/{name}")


def test_no_network_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for spec, size in ((SPEC, "size not known"), ("hf/google-bert/bert-base-uncased", "about 436 MB")):
        source = sources.find(spec)
        assert not source.local
        with pytest.raises(WeightsMissing, match=size):
            sources.load(source)

    class Unreachable:
        def list_repo_files(self, *_: Any, **__: Any) -> Any:
            raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.HfApi", Unreachable)
    with pytest.raises(SourceError, match="no route to host"):
        sources.load(SPEC, download=True)


def test_fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a model needs is asked for; what came is then found in the cache."""
    root = write_model(tmp_path / "model")
    (root / "modeling_own.py").write_text("raise SystemExit")
    asked: list[str] = []

    def snapshot(name: str, *, revision: str | None, allow_patterns: Sequence[str]) -> str:
        assert (name, revision) == (NAME, None)
        asked.extend(allow_patterns)
        return str(put(tmp_path / "hub", root))

    listed = [*(path.name for path in root.iterdir()), "onnx/model.onnx", "pytorch_model.bin", "README.md"]
    api = SimpleNamespace(list_repo_files=lambda *_, **__: listed)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: api)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    backbone = sources.load(SPEC, download=True)
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert set(asked) == expected
    assert backbone.source.revision == REVISION
    assert sources.load(SPEC).digest == backbone.digest


def test_files_of_a_repository() -> None:
    names = [
        "config.json", "modules.json", "1_Pooling/config.json", "vocab.txt", "spiece.model", "tf_model.h5",
        "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json",
        "onnx/config.json", "openvino/model.json", "own.py", "flax_model.msgpack",
    ]  # fmt: skip
    assert set(fetching.wanted(names)) == set(names[:9]) - {"tf_model.h5"} | {names[8]}


def test_cut_off_head_of_a_weight_file(tmp_path: Path) -> None:
    root = write_model(tmp_path / "m")
    assert (sources.find(f"hf:{root}").parameters or 0) > 1000
    (root / "model.safetensors").write_bytes(b"\xff" * 20)
    assert sources.find(f"hf:{root}").parameters is None
    assert json.loads((root / "config.json").read_text())["model_type"] == "bert"
