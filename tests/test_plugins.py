"""What CONTRIBUTING says of packages of one's own: written down beside Headstart, found, and used in a run."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart import data, strategies, tasks
from headstart.core.registry import Registry
from headstart.errors import BadOption, DuplicateName, PluginError

MODULE = '''
from dataclasses import dataclass, replace

import numpy as np

from headstart.core.facts import Facts
from headstart.data import load
from headstart.strategies.probe import Probe
from headstart.tasks.regression import Regression

HALF = Facts("half", "toy:Half", "transfer", share=0.5, reason="a toy after {source}")


class Half(Probe):
    """The probe, a little less sure."""

    name = "half"

    def fit(self, request):
        trial = super().fit(request)
        said = 0.9 * trial.predictions.array
        return replace(trial, arm=trial.arm.replace("probe", "half"), strategy="half", predictions=said)


class Whole(Regression):
    """Numbers that are told as whole ones."""

    kind = "whole"

    def decode(self, task, predictions):
        return [round(float(value)) for value in predictions[:, 0]]


@dataclass
class Drawer:
    pictures: np.ndarray
    names: list


def accepts(data):
    return isinstance(data, Drawer)


def read(data, reading):
    return load(data.pictures, labels=data.names, task=reading.task, name="a drawer")
'''
POINTS = """\
[headstart.strategies]
half = toy:HALF

[headstart.readers]
a drawer of pictures = toy

[headstart.tasks]
whole = toy:Whole
"""


def install(folder: Path, points: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `pip install` leaves of a package: its module, and its entry points."""
    (folder / "toy.py").write_text(MODULE)
    about = folder / "toy_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(folder)
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{known}")  # for the process of the proof
    importlib.invalidate_caches()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install(tmp_path, POINTS, monkeypatch)
    for registry in (strategies.STRATEGIES, data.READERS, tasks.TASKS):
        for name, value in vars(registry).items():  # as in a process in which nothing was looked for yet
            monkeypatch.setattr(registry, name, dict(value) if name == "_entries" else value)
        monkeypatch.setattr(registry, "_points", None)
    yield
    sys.modules.pop("toy", None)


def test_a_strategy_a_reader_and_a_task_of_another_package_in_a_run(toy: None, tmp_path: Path) -> None:
    Drawer = importlib.import_module("toy").Drawer
    rng = np.random.default_rng(0)
    shades = np.linspace(40, 200, 24)
    pictures = np.stack([rng.normal(shade, 5, (16, 16, 3)) for shade in shades])
    drawer = Drawer(pictures.clip(0, 255).astype(np.uint8), shades.tolist())
    with pytest.raises(
        BadOption, match="one of classification, detection, multilabel, regression, segmentation, whole"
    ):
        hs.load(drawer, task="half")
    run = hs.fit(
        drawer,
        task="whole",
        sources="bundled/strokes",
        strategies=["probe", "half"],
        budget=60,
        out=tmp_path / "run",
    )
    rows = {row["strategy"]: row for row in run.leaderboard()}
    assert (rows["half"]["status"], rows["half"]["source"]) == ("done", "strokes")
    assert (run.record["name"], run.record["task"]["kind"]) == ("a drawer", "whole")
    (answer,) = run.model.predict(drawer.pictures[12:13])
    assert isinstance(answer.answer, int)
    assert answer.answer == pytest.approx(shades[12], abs=40)


def test_what_a_package_gets_wrong_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[toys]\nbroken = no_such_module:X\ntaken = toy:HALF\n"
    install(tmp_path, points, monkeypatch)
    with pytest.raises(DuplicateName, match="the package toy-package brings a toy 'taken'"):
        list(Registry("toy", {"taken": 1}, group="toys"))
    registry: Registry[object] = Registry("toy", {"own": 1}, group="toys")
    assert list(registry) == ["own", "broken", "taken"]
    assert registry["taken"] == importlib.import_module("toy").HALF
    with pytest.raises(
        PluginError, match=r"the toy 'broken' of the package toy-package cannot be loaded .*No module"
    ):
        registry["broken"]
    sys.modules.pop("toy", None)
