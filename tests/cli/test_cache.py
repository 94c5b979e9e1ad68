"""headstart cache: what it says is what is there, and nothing goes without a yes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from headstart.cli import cache
from headstart.core.features import FeatureSpec
from headstart.errors import BadOption, UnknownName
from headstart.passes.extractor import StoreExtractor
from headstart.store import upkeep
from headstart.store.store import FeatureStore
from headstart.testing.fakes import TinyBackbone, shapes

app = typer.Typer()
app.callback()(lambda: None)
app.add_typer(cache.group)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HEADSTART_CACHE_CAP", "1GB")
    return FeatureStore.default()


@pytest.fixture
def filled(store: FeatureStore) -> FeatureStore:
    extract = StoreExtractor(store, shapes(per_class=3))
    extract(TinyBackbone(name="little"), FeatureSpec(inputs=8, taps=TinyBackbone().taps()))
    extract(TinyBackbone(1, name="other"), FeatureSpec(views=1))
    return store


def test_an_empty_store(store: FeatureStore) -> None:
    assert run("list").output == f"{store.root}: 0 B of at most 1.0 GB\n"
    assert run("clear", "--yes").output == f"{store.root}: nothing to remove\n"
    assert run("verify").output == f"{store.root}: 0 shards, all as they were written\n"
    assert not store.root.exists()


def test_list(filled: FeatureStore) -> None:
    result = run("list")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].split() == ["source", "what", "data", "rows", "size", "last", "used"]
    assert len(lines) == 6
    (little,) = [line for line in lines if line.startswith("little")]
    assert little.split()[1:4] == ["taps", "shapes", "9"]
    assert little.rstrip().endswith("0 minutes ago")
    assert any("taps (crop-flip)" in line for line in lines)
    assert any(line.startswith("pixels  pixels:8") for line in lines)
    document = json.loads(run("list", "--json").output)
    assert document["bytes"] == filled.held()
    assert document["cap"] == 10**9
    assert {table["source"] for table in document["tables"]} == {"little", "other", "pixels"}


def test_clear_by_source_and_age(filled: FeatureStore) -> None:
    result = run("clear", "--source", "little", "--yes")
    assert result.exit_code == 0
    assert "freed" in result.output
    assert {table.source for table in upkeep.tables(filled.path)} == {"other", "pixels"}
    assert "nothing to remove" in run("clear", "--older-than", "1", "--yes").output
    long_ago = time.time() - 3 * 86_400
    for mark in filled.path.glob("*/used-*.json"):
        os.utime(mark, (long_ago, long_ago))
    assert "3 days ago" in run("list").output
    assert "freed" in run("clear", "--older-than", "1.5", "--yes").output
    assert upkeep.tables(filled.path) == []


def test_clear_asks_first(filled: FeatureStore) -> None:
    result = run("clear")
    assert isinstance(result.exception, BadOption), result.output
    assert "--yes" in str(result.exception)
    assert len(upkeep.tables(filled.path)) == 4


def test_clear_tells_what_is_in_use(store: FeatureStore) -> None:
    features = StoreExtractor(store, shapes(per_class=3))(TinyBackbone(), FeatureSpec())
    assert "kept, because a process is using it: tiny taps" in run("clear", "--yes").output
    del features
    assert "kept" not in run("clear", "--yes").output


def test_wrong_options(filled: FeatureStore) -> None:
    found = run("clear", "--source", "litle", "--yes").exception
    assert isinstance(found, UnknownName)
    assert "did you mean 'little'" in str(found)
    assert isinstance(run("clear", "--older-than", "-1", "--yes").exception, BadOption)


def test_verify_and_repair(filled: FeatureStore) -> None:
    file = next(filled.path.glob("*/*/tap-*.npy"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 255
    file.write_bytes(content)
    result = run("verify")
    assert result.exit_code == 2
    assert f"{file.name} is not what was written" in result.output
    assert "1 damaged; remove them with" in result.output
    document = json.loads(run("verify", "--json").output)
    assert [entry["path"] for entry in document["damaged"]] == [str(file.parent)]
    result = run("verify", "--repair")
    assert result.exit_code == 0
    assert "1 damaged, removed" in result.output
    assert run("verify").exit_code == 0
