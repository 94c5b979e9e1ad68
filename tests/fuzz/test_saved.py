"""What Headstart itself has written, and a disk or a stranger has changed: a right answer, or a `HeadstartError`.

A family changes one file of a small bundle, run folder or store. Half of its inputs are changed as JSON instead of as
bytes, and where a description holds digests they are made to fit, so that what lies behind them is reached as well.
"""

from __future__ import annotations

import importlib.util
import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from headstart import api
from headstart.cli.report import shown
from headstart.core import fingerprint
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec
from headstart.core.strategy import Trial
from headstart.data import doctor
from headstart.errors import HeadstartError
from headstart.export import bundle
from headstart.export.model import load_model
from headstart.report import saved
from headstart.run.caution import Caution
from headstart.run.extract import make_extractor
from headstart.run.folder import RunFolder
from headstart.store import upkeep
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore
from headstart.testing.fakes import TinyBackbone, shapes
from headstart.testing.models import tiny_images, tiny_model

from .mutate import Family

STRANGE = (None, True, -1, 0, 1e999, 10**400, "", "x", "\ud800", [], [[]], {}, {"a": 1}, "../x", 2**40, "1", [1, "a"])


def spoiled(node: Any, rng: random.Random) -> Any:
    """JSON with one value, somewhere in it, taken away or made another."""
    if isinstance(node, dict | list) and node and rng.random() < 0.85:
        out = node.copy()
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        if rng.random() < 0.15:
            del out[key]
        else:
            out[key] = spoiled(node[key], rng)
        return out
    return rng.choice(STRANGE)


def as_bytes(content: Any) -> bytes:
    return json.dumps(content).encode()


def changed(path: Path, original: bytes) -> bytes:
    """The bytes of an input; of every other one the original, changed as JSON where it is JSON."""
    found = path.read_bytes()
    rng = random.Random(found)
    if found == original or rng.random() < 0.5:
        return found
    try:
        return as_bytes(spoiled(json.loads(original), rng))
    except ValueError:
        return found


def family(name: str, folder: Callable[[], Path], file: str, use: Callable[[Path], object]) -> Family:
    """One file of a folder of ours is changed in a copy, and the copy used."""

    def seed(_: Path) -> bytes:
        return (folder() / file).read_bytes()

    def read(path: Path) -> object:
        copy = path.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder(), copy)
        (copy / file).write_bytes(changed(path, seed(path)))
        return use(copy)

    return Family(name, seed, read, bool)


# bundles


@cache
def model() -> Path:
    """A bundle of two networks whose answers are averaged, made without the fresh process of `save`."""
    made = tiny_model("average", temperature=1.5)
    held = {"true": [0.5, 0.9], "top": [0.5, 0.9], "right": [1.0, 1.0]}
    folder = places.make("model")
    files = bundle._files(replace(made, evidence={**made.evidence, "held_out": held}), tiny_images(2))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def signed(folder: Path) -> None:
    """Digests and fingerprint made to fit what the files hold, as far as they can be."""
    content = json.loads((folder / bundle.MANIFEST).read_bytes())
    for name, about in content["files"].items():
        raw = (folder / name).read_bytes()
        about.update(sha256=fingerprint.of_bytes(raw), bytes=len(raw))
    (folder / bundle.MANIFEST).write_bytes(as_bytes(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle.Model, "fingerprint", lambda self: content["fingerprint"])
        opened = bundle.read(folder).model
    content["fingerprint"] = opened.fingerprint()
    (folder / bundle.MANIFEST).write_bytes(as_bytes(content))


def answers(folder: Path) -> bool:
    """Opened as it is; then as somebody would leave it who meant harm."""
    told = ask(folder)
    try:
        signed(folder)
    except HeadstartError:
        raise
    except Exception:  # noqa: BLE001  what cannot be signed is no input
        return told
    return ask(folder)


def ask(folder: Path) -> bool:
    opened = load_model(folder)
    found = opened.predict([tiny_images(1)[0].transpose(1, 2, 0)])
    for asked in ({"sets": 0.5}, {"risk": 0.9}):
        Caution.of(opened.evidence, opened.task, **asked)(opened.task, found[0])
    return len(found) == 1


def packed(_: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(model().iterdir()):
            out.writestr(file.name, file.read_bytes())
    return buffer.getvalue()


# run folders


@cache
def content() -> Any:
    """The made-up runs of the report's tests."""
    place = Path(__file__).parents[1] / "report/conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_runs", place)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


@cache
def run(seed: int = 0) -> Path:
    """A finished run of twelve items in two classes."""
    made = content().build(count=2)
    folder, rng = places.make(f"run{seed}"), np.random.default_rng(seed)
    with RunFolder(folder) as out:
        out.write({**made.record, "complete": True})
        said = rng.dirichlet([1, 1], (1, 12)).astype(np.float32)
        out.save_trial(Trial("a: probe", "probe", "a", said, Cost(1.0, 2.0, 3), choices={"folds": [{"c": 1}]}))
    (folder / "insight.json").write_bytes(as_bytes(made.insight))
    (folder / "pictures.json").write_bytes(as_bytes(made.shown))
    (folder / "events.jsonl").write_bytes(b"\n".join(map(as_bytes, made.events)))
    pl.DataFrame(
        {
            "row": range(12), "id": [f"{i}.png" for i in range(12)], "digest": [f"{i:064x}" for i in range(12)],
            "part": ["development"] * 12, "group": range(12), "y": [i % 2 for i in range(12)],
            "fold": [[i % 3] for i in range(12)],
        }
    ).write_parquet(folder / "items.parquet")  # fmt: skip
    return folder


def told(folder: Path) -> bool:
    """One of the ways of telling it, chosen by what it holds."""
    rng = random.Random((folder / "run.json").read_bytes() + (folder / "insight.json").read_bytes())
    found = api.open_run(folder)
    assert found.verdict is not None
    assert found.outcome is not None
    assert isinstance(found.leaderboard(), list)
    assert isinstance(found.insight, dict)
    with redirect_stdout(io.StringIO()), saved.needed(folder):
        shown(found, rng.choice(["text", "md", "json", "html"]))
    return True


def compared(folder: Path) -> bool:
    return bool(api.compare([folder, run(1)]).pairs)


# the store


@cache
def store() -> tuple[Path, np.ndarray]:
    """A store of one pass over six pictures, and what it holds of the last tap."""
    root = places.make("store")
    return root, features(root)


def features(root: Path) -> np.ndarray:
    found = make_extractor(FeatureStore(root), pictures(), workers=1)(network(), FeatureSpec(network().taps()))
    rows = found.tap(network().taps()[-1])[:]
    del found
    return rows


@cache
def pictures() -> Any:
    return shapes(per_class=2)


@cache
def network() -> TinyBackbone:
    return TinyBackbone()


def in_store(pattern: str) -> str:
    root = store()[0]
    return str(next(root.glob(f"features/*/{pattern}")).relative_to(root))


def computed_again(root: Path) -> bool:
    """Whatever the store holds, the features are right; and it can be listed, looked at and mended."""
    right = np.allclose(features(root), store()[1], rtol=1e-2, atol=1e-3)
    folder = FeatureStore(root).path
    upkeep.tables(folder), upkeep.damaged(folder)
    upkeep.verify(folder, repair=True)
    assert not upkeep.damaged(folder)
    return right


@cache
def memo() -> Path:
    folder = places.make("memo")
    kept = Memo(folder / "memo.sqlite")
    doctor.check(pictures(), memo=kept)
    kept.close()
    return folder


def remembered(folder: Path) -> bool:
    kept = Memo(folder / "memo.sqlite")
    try:
        return not doctor.check(pictures(), memo=kept).errors
    finally:
        kept.close()


class Places:
    """Where the originals lie: made once, gone with the session."""

    root: Path

    def make(self, name: str) -> Path:
        path = self.root / name
        path.mkdir()
        return path


places = Places()


@pytest.fixture(scope="module", autouse=True)
def _places(tmp_path_factory: pytest.TempPathFactory) -> None:
    places.root = tmp_path_factory.mktemp("originals")


FAMILIES = {
    "bundle.json": lambda: family("bundle.json", model, "bundle.json", answers),
    "model.safetensors": lambda: family("model.safetensors", model, "model.safetensors", answers),
    "probes.safetensors": lambda: family("probes.safetensors", model, "probes.safetensors", answers),
    "model.zip": lambda: Family("model.zip", packed, ask, bool),
    "run.json": lambda: family("run.json", run, "run.json", told),
    "insight.json": lambda: family("insight.json", run, "insight.json", told),
    "pictures.json": lambda: family("pictures.json", run, "pictures.json", told),
    "events.jsonl": lambda: family("events.jsonl", run, "events.jsonl", told),
    "run.json, compared": lambda: family("run.json, compared", run, "run.json", compared),
    "trial.json": lambda: family("trial.json", run, "trials/a-probe/trial.json", compared),
    "predictions.npz": lambda: family("predictions.npz", run, "trials/a-probe/predictions.npz", compared),
    "items.parquet": lambda: family("items.parquet", run, "items.parquet", compared),
    "shard.json": lambda: family("shard.json", lambda: store()[0], in_store("*/shard.json"), computed_again),
    "index.npy": lambda: family("index.npy", lambda: store()[0], in_store("*/index.npy"), computed_again),
    "tap.npy": lambda: family("tap.npy", lambda: store()[0], in_store("*/tap-*.npy"), computed_again),
    "section.json": lambda: family("section.json", lambda: store()[0], in_store("section.json"), computed_again),
    "memo.sqlite": lambda: family("memo.sqlite", memo, "memo.sqlite", remembered),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_was_saved(fuzz: Callable[[Family], None], name: str) -> None:
    fuzz(FAMILIES[name]())
