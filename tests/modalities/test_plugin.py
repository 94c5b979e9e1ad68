"""A kind of data that another package brings, with a source of its own: read, learnt from, shipped and predicted."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart import modalities
from headstart.export import bundle, fresh
from headstart.sources import providers

GRIDS = '''
"""Files of digits in rows; prepared as pictures are."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from headstart.errors import ItemError
from headstart.modalities import image
from headstart.modalities.base import Examination
from headstart.modalities.image import *
from headstart.modalities.image.preprocessing import ImagePreprocessing

NOUN, SUFFIXES, NOT_READ = "grid", frozenset({".grid"}), {}
COMPARED_BY, HAS_LEVELS = "", False


@dataclass(frozen=True)
class GridPreprocessing(ImagePreprocessing):
    @property
    def modality(self):
        return "grid"

    def to_json(self):
        return {"modality": "grid", **super().to_json()}


PREPROCESSING, PLAIN = GridPreprocessing, GridPreprocessing(size=(32, 32))


def open_item(data, levels=None):
    try:
        rows = [[int(digit) for digit in line] for line in data.decode().split()]
        return Image.fromarray(np.array(rows, np.uint8) * 28).convert("RGB")
    except (ValueError, TypeError) as error:
        raise ItemError("HS103", "no grid of digits") from error


@contextmanager
def held(data, levels=None):
    yield open_item(data)


def examine(data):
    try:
        return Examination(*open_item(data).size, "RGB", "grid")
    except ItemError as error:
        return Examination(problem=error.code, detail=error.problem)


def prepare(data, contract, **view):
    return image.prepare(open_item(data) if isinstance(data, bytes) else data, contract, **view)
'''
SOURCES = """
from dataclasses import replace

from grids import GridPreprocessing

from headstart import sources

MODALITIES = ("grid",)


def find(spec, name):
    own = sources.find("bundled/strokes")
    return replace(own, spec=spec, name=name, modality="grid", input=GridPreprocessing(**vars(own.input)))


describe = find


def load(source, *, download=False):
    backbone = sources.load("bundled/strokes")
    backbone.source = source
    return backbone


def names():
    return ["net"]
"""
POINTS = "[headstart.modalities]\ngrid = grids\n[headstart.sources]\ngrids/ = grid_sources\n"


@pytest.fixture
def grids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What `pip install` leaves of the package; and a folder of such files."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "grids.py").write_text(GRIDS)
    (tmp_path / "site" / "grid_sources.py").write_text(SOURCES)
    about = tmp_path / "site" / "grids-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: grids\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(bundle, "_reopen", lambda job, target: bundle.reported(job))  # here: it takes no time
    monkeypatch.setattr(fresh.Standby, "start", lambda self: None)
    importlib.invalidate_caches()
    for registry in (modalities.MODALITIES, providers.PROVIDERS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        monkeypatch.setattr(registry, "_points", None)
    modalities.endings.cache_clear()
    rng = np.random.default_rng(0)
    for row in range(24):
        name = ("dark", "light")[row % 2]
        rows = rng.integers(0, 5, (16, 16)) + (5 if name == "light" else 0)
        place = tmp_path / "data" / name / f"{row}.grid"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("\n".join("".join(map(str, line)) for line in rows))
    yield tmp_path / "data"
    modalities.endings.cache_clear()
    for module in ("grids", "grid_sources"):
        sys.modules.pop(module, None)


def test_a_kind_of_data_of_another_package_in_a_run(grids: Path, tmp_path: Path) -> None:
    (grids / "dark" / "99.grid").write_text("no digits")
    dataset = hs.load(grids)
    assert (dataset.modality, len(dataset)) == ("grid", 25)
    report = hs.check(grids)
    assert [(found.code, found.where) for found in report.errors] == [("HS103", "dark/99.grid")]
    (grids / "dark" / "99.grid").unlink()
    run = hs.fit(
        grids, sources="grids/net", strategies=["majority", "probe"], budget=60, out=tmp_path / "run"
    )
    rows = {row["strategy"]: row for row in run.leaderboard()}
    assert rows["probe"]["score"] > 0.9 > rows["majority"]["score"]
    found = run.model.predict(grids / "light")
    assert {row.answer for row in found} == {"light"}
    assert run.model.input.to_json()["modality"] == "grid"
    assert (tmp_path / "run" / "report.html").is_file()
