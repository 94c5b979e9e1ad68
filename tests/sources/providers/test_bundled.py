from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from headstart import sources
from headstart.errors import SourceError, UnknownName
from headstart.sources.providers import bundled

NAMES = bundled.names()


@pytest.mark.parametrize("name", NAMES)
def test_every_bundled_source_opens(name: str) -> None:
    source = sources.find(f"bundled/{name}")
    assert source.local
    assert source.licence == "Apache-2.0"
    assert source.note
    backbone = sources.load(source)
    count = sum(p.numel() for p in backbone.module.parameters())
    assert source.parameters == count
    some = torch.from_numpy(backbone.example(2))
    with torch.no_grad():
        pooled = backbone.pool(backbone.full(backbone.normalise(some)), backbone.embedding)
    assert pooled.shape == (2, backbone.width(backbone.embedding))
    assert pooled.isfinite().all()


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    name = NAMES[0]
    for suffix in (".json", ".safetensors"):
        shutil.copy(bundled.FOLDER / f"{name}{suffix}", tmp_path / f"copy{suffix}")
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    return tmp_path


def test_changed_weights_are_refused(copied: Path) -> None:
    path = copied / "copy.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load("bundled/copy")


def test_a_record_without_digest_is_refused(copied: Path) -> None:
    record = json.loads((copied / "copy.json").read_text())
    del record["sha256"]
    (copied / "copy.json").write_text(json.dumps(record))
    with pytest.raises(SourceError, match="no sha256"):
        sources.find("bundled/copy")


def test_unknown_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'strokes'"):
        sources.find("bundled/stroke")
