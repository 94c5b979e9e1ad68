"""What a damaged store holds counts as missing: it is computed again, said once, listed, and can be removed."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.core.features import FeatureSpec
from headstart.data.checks import doctor
from headstart.passes.extractor import StoreExtractor
from headstart.store import upkeep
from headstart.store.disk import sizes
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore
from headstart.testing.fakes import TinyBackbone, shapes

DATA, NETWORK = shapes(per_class=2), TinyBackbone()


def features(root: Path) -> tuple[np.ndarray, float]:
    """What a pass gives of the last tap, and how much of the data went through the network."""
    taps = NETWORK.taps()
    found = StoreExtractor(FeatureStore(root), DATA, workers=1)(NETWORK, FeatureSpec(taps=taps))
    return found.tap(taps[-1])[:], found.forward_passes


def rewritten(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    for name, value in changes.items():
        content["index" if name == "index" else "columns"] = value
    path.write_text(json.dumps(content))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def lying(path: Path) -> None:
    """A header that promises 3 TiB; the checksum is made to fit."""
    import hashlib

    content = path.read_bytes().replace(b"(6, 34)", b"(9**9,)")[:128].ljust(path.stat().st_size, b"\0")
    path.write_bytes(content)
    record = json.loads((path.parent / "shard.json").read_text())
    record["index"]["sha256"] = hashlib.sha256(content).hexdigest()
    (path.parent / "shard.json").write_text(json.dumps(record))


DAMAGE = {
    "a bit of a column": lambda shard: flip(next(shard.glob("tap-*.npy"))),
    "a bit of the index": lambda shard: flip(shard / "index.npy"),
    "a header that lies": lambda shard: lying(shard / "index.npy"),
    "a shape of another form": lambda shard: rewritten(
        shard / "shard.json", columns={"tap:a/g1": {"shape": 3}}
    ),
    "columns in a list": lambda shard: rewritten(shard / "shard.json", columns=[]),
    "no index": lambda shard: rewritten(shard / "shard.json", index=None),
    "lists without end": lambda shard: (shard / "shard.json").write_text("[" * 3000 + "]" * 3000),
    "nothing": lambda shard: (shard / "shard.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_rows_are_computed_again(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    right, passes = features(tmp_path)
    assert passes == 1.0
    (shard,) = tmp_path.glob("features/*/*/")
    DAMAGE[damage](shard)
    with caplog.at_level(logging.WARNING):
        again, passes = features(tmp_path)
    assert passes == 1.0
    assert np.array_equal(again, right)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert str(shard) in told[0]
    assert "cache verify --repair" in told[0]
    store = FeatureStore(tmp_path)
    looked, damaged = upkeep.verify(store.path, repair=True)
    assert (looked, [entry.path for entry in damaged]) == (2, [shard])
    assert (features(tmp_path)[1] == 0.0) == (
        damage != "a bit of a column"
    )  # the others of its shard went with it


def test_damaged_records_are_listed(tmp_path: Path) -> None:
    features(tmp_path)
    (shard,) = tmp_path.glob("features/*/*/")
    store = FeatureStore(tmp_path)
    assert upkeep.damaged(store.path) == []
    (shard / "shard.json").write_text("[]")
    (tmp_path / "features" / shard.parent.name / "section.json").write_text('{"about": 3}')
    assert [entry.path for entry in upkeep.damaged(store.path)] == [shard]
    assert upkeep.tables(store.path) == []


def test_a_file_is_read_against_its_checksum_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    from headstart.store.disk import shard

    features(tmp_path)
    read: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, how: read.append(file.name) or digest(file, how))
    features(tmp_path)
    assert read == []  # this process has written them
    monkeypatch.setattr(shard, "_known", {})
    features(tmp_path)
    first = len(read)
    features(tmp_path)
    assert len(read) == first > 1


@pytest.mark.parametrize(
    "value", ["[", "[1]", '{"version": 1}', "x" * 9, '{"version": 99, "image": {"width": "a"}}']
)
def test_a_damaged_memo_is_looked_at_again(tmp_path: Path, value: str) -> None:
    memo = Memo(tmp_path / "memo.sqlite")
    before = doctor.check(DATA, memo=memo)
    memo._change("UPDATE memo SET value = ?", (value,))
    assert doctor.check(DATA, memo=memo) == before


def test_entries_of_another_type_are_looked_at_again(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "memo.sqlite")
    before = doctor.check(DATA, memo=memo)
    for key in list(memo):
        memo[key] = {**memo[key], "image": {**memo[key]["image"], "width": "wide", "problem": "HS999"}}
    assert doctor.check(DATA, memo=memo) == before


def test_who_may_read_a_new_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sizes.ROOT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    private = sizes.default_root()
    features(private)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    monkeypatch.setenv(sizes.ROOT, str(tmp_path / "shared"))
    features(sizes.default_root())
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )
