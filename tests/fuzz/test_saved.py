"""What Headstart itself has written, and a disk or a stranger has changed: a right answer, or a `HeadstartError`.

A family changes one file of a small bundle, run folder or store: its bytes, or as JSON one value in it. Where a
description holds digests they are then made to fit, so that what lies behind them is reached as well.
"""

from __future__ import annotations

import importlib.util
import io
import json
import random
import shutil
import sys
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from headstart import api
from headstart.cli.report import shown
from headstart.core import fingerprint
from headstart.core.evidence import Cost
from headstart.core.strategy import Trial
from headstart.data.checks import doctor
from headstart.errors import HeadstartError
from headstart.export import bundle
from headstart.export.model import load_model
from headstart.predict.selective import Caution
from headstart.report import saved
from headstart.run.state.folder import RunFolder
from headstart.store import upkeep
from headstart.store.disk import keys
from headstart.store.disk.keys import Section
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore
from headstart.testing.fakes import shapes
from made.models import tiny_images, tiny_model

from .mutate import Family, mutate

STRANGE = (
    None,
    True,
    -1,
    0,
    1e999,
    10**400,
    "",
    "x",
    "\ud800",
    [],
    [[]],
    {},
    {"a": 1},
    "../x",
    2**40,
    "1",
    [1, "a"],
)


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


def changed(original: bytes, rng: random.Random) -> bytes:
    """Other bytes; of JSON in every other case another value in it."""
    if rng.random() < 0.5:
        try:
            return as_bytes(spoiled(json.loads(original), rng))
        except ValueError:
            pass
    return mutate(original, rng)


SEED = bytes(range(256))


def family(name: str, folder: Callable[[], Path], use: Callable[[Path], object]) -> Family:
    """In a copy of a folder of ours one file is changed, and the copy used. The input's bytes choose how."""

    def read(path: Path) -> object:
        copy, chosen = path.with_name("copy"), path.read_bytes()
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder(), copy)
        if chosen != SEED:
            rng = random.Random(chosen)
            file = rng.choice(
                sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size)
            )
            file.write_bytes(changed(file.read_bytes(), rng))
        return use(copy)

    return Family(name, lambda _: SEED, read, bool)


# bundles


@cache
def model() -> Path:
    """A bundle of two networks whose answers are averaged, made without the fresh process of `save`."""
    parts = [tiny_model("pixels", temperature=1.5), tiny_model("constant")]
    tensors = {f"{i}.{name}": array for i, part in enumerate(parts) for name, array in part.tensors.items()}
    net = {
        "kind": "average",
        "members": [part.net for part in parts],
        "weights": [1.0, 2.0],
        "sizes": [None, [16, 16]],
    }
    held = {"true": [0.5, 0.9] * 20, "top": [0.5, 0.9] * 20, "right": [1.0, 1.0] * 20}
    made = replace(parts[0], net=net, tensors=tensors, evidence={"held_out": held})
    folder = places.make("model")
    for name, raw in bundle._files(made, tiny_images(2)).items():
        (folder / name).write_bytes(raw)
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
    except Exception:
        return told
    return ask(folder)


def ask(folder: Path) -> bool:
    opened = load_model(folder)
    found = opened.predict([tiny_images(1)[0].transpose(1, 2, 0)])
    for asked in ({"sets": 0.5}, {"risk": 0.5}):
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
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


@cache
def run(seed: int = 0) -> Path:
    """A finished run of twelve items in two classes."""
    made = content().build(count=2)
    made.shown = {**made.shown, "sheet": None, "items": dict(list(made.shown["items"].items())[:3])}
    made.insight["map"]["points"] = made.insight["map"]["points"][:12]
    folder, rng = places.make(f"run{seed}"), np.random.default_rng(seed)
    with RunFolder(folder) as out:
        out.write({**made.record, "complete": True})
        said = rng.dirichlet([1, 1], (1, 12)).astype(np.float32)
        out.save_trial(
            Trial("a: probe", "probe", "a", said, Cost(1.0, 2.0, 3), choices={"folds": [{"c": 1}]})
        )
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
    rng = random.Random(b"".join(file.read_bytes() for file in sorted(folder.glob("*.js*"))))
    found = api.open_run(folder)
    assert found.verdict is not None
    assert found.outcome is not None
    assert isinstance(found.leaderboard(), list)
    assert isinstance(found.insight, dict)
    with redirect_stdout(io.StringIO()), saved.needed(folder):
        shown(found, rng.choices(["text", "md", "json", "html"], [9, 9, 1, 1])[0])
    return True


def compared(folder: Path) -> bool:
    return bool(api.compare([folder, run(1)]).pairs)


# the store


SECTION, COLUMNS = Section("weights", "recipe", about={"source": "tiny"}), ("tap:a/g1", "state:b@8")
KEYS = keys.row_keys(keys.item_keys([f"{i:064x}" for i in range(4)]), [0])
ROWS = np.arange(12, dtype=np.float16).reshape(4, 3)


@cache
def store() -> Path:
    """Two columns of four items."""
    root = places.make("store")
    made = FeatureStore(root)
    made.prepare(SECTION)
    with made.writer(SECTION, COLUMNS, 4, data="some") as writer:
        writer.append(KEYS, dict.fromkeys(COLUMNS, ROWS))
        writer.publish()
    made.pin(SECTION, COLUMNS).close()
    return root


def right_or_missing(root: Path) -> bool:
    """Rows are those that were written, or they are missing; and the store can be listed, read and mended."""
    made, right = FeatureStore(root), True
    gone = made.catalogue(SECTION).missing(COLUMNS, KEYS)
    for column, missing in zip(COLUMNS, gone.T, strict=True):
        if not missing.any():
            rows = made.rows(SECTION, column, [f"{i:064x}" for i in range(4)])[:]
            right &= np.array_equal(rows, ROWS) and rows.dtype == ROWS.dtype
    assert len(upkeep.tables(made.path)) <= len(COLUMNS)
    upkeep.damaged(made.path)
    upkeep.verify(made.path, repair=True)
    assert not upkeep.damaged(made.path)
    return right


@cache
def pictures() -> Any:
    return shapes(classes=2, per_class=1)


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
        return len(doctor.check(pictures(), memo=kept).findings) > 0  # so few pictures are remarked on
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
    ask(model())  # whatever is imported for it is not the first input's time


FAMILIES = [
    family("model", model, answers),
    Family("model.zip", packed, ask, bool),
    family("told run", run, told),
    family("compared run", run, compared),
    family("store", store, right_or_missing),
    family("memo", memo, remembered),
]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_what_was_saved(check_family: Callable[[Family], None], family: Family) -> None:
    check_family(family)
