"""A folder of generated pictures, a feature store of its own, and the command line in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from warm import Warm

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of drawn shapes, 14 training and 6 test pictures each; told apart by form, not by colour."""
    root = tmp_path_factory.mktemp("data") / "shapes"
    rng = np.random.default_rng(0)
    for label in ("disc", "ring", "größe"):
        for number in range(20):
            image = Image.new("RGB", (40, 36), tuple(int(v) for v in rng.integers(0, 90, 3)))
            draw = ImageDraw.Draw(image)
            ink = tuple(int(v) for v in rng.integers(130, 256, 3))
            x, y = rng.integers(8, 14, 2)
            box = (int(x), int(y), int(x) + 16, int(y) + 14)
            if label == "disc":
                draw.ellipse(box, fill=ink)
            elif label == "ring":
                draw.ellipse(box, outline=ink, width=2)
            else:
                draw.line(box, fill=ink, width=3)
            path = root / ("train" if number < 14 else "test") / label / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feature store of the command-line tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def call(cache: Path) -> Command:
    """`call(folder, *arguments)` runs a command there as a user would, which takes seconds of importing; gives
    the finished process. For what the fresh process itself is the question of."""

    def run(where: Path, *arguments: str | Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "HEADSTART_CACHE": str(cache), "COLUMNS": "140"}
        variables.pop("HEADSTART_DOWNLOAD", None)
        return subprocess.run(
            [sys.executable, "-m", "headstart", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=where,
            env=variables,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def forked(cache: Path, warm: Warm) -> Command:
    """The same from a process that has imported already."""
    variables = {"HEADSTART_CACHE": str(cache), "COLUMNS": "140"}
    return lambda where, *words: warm.run(where, variables, arguments=[str(word) for word in words])


@pytest.fixture(scope="session")
def with_pool(shapes: Path, tmp_path_factory: pytest.TempPathFactory, forked: Command) -> Path:
    """A folder with a finished run of the shapes and a pool: their test pictures without labels, copies of
    labelled ones, a picture twice, and what is no picture."""
    where = tmp_path_factory.mktemp("label-next")
    shutil.copytree(shapes / "train", where / "labelled")
    done = forked(
        where, "fit", "labelled", "--source", "bundled/strokes", "--strategy", "probe", "--budget", "20s"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pool = where / "pool"
    pool.mkdir()
    for path in sorted((shapes / "test").rglob("*.png")):
        shutil.copy(path, pool / f"{path.parent.name}-{path.name}")
    for number in (1, 2, 3):
        shutil.copy(where / "labelled" / "disc" / f"0{number}.png", pool / f"copy-{number}.png")
    shutil.copy(pool / "ring-14.png", pool / "wieder-größe.png")
    (pool / "broken.png").write_bytes(b"\x89PNG nothing")
    return where


@pytest.fixture
def headstart(forked: Command, tmp_path: Path) -> Command:
    """The same in the test's own folder."""
    return lambda *arguments: forked(tmp_path, *arguments)


FEWER = """
import sys
from dataclasses import replace
from headstart import cli
from headstart.cli import demo

acts = demo.{acts}
demo.{acts} = lambda *told: [replace(a, options={{**a.options, "strategies": {strategies}}}) for a in acts(*told)]
sys.argv = ["headstart", "demo", "--out", "out", *{options}]
cli.main()
"""


@pytest.fixture
def demo(warm: Warm, cache: Path, tmp_path: Path) -> Command:
    """`demo(acts, strategies, *options)`: the demo with these strategies only, which its minutes are not for."""

    def run(acts: str, strategies: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        script = FEWER.format(acts=acts, strategies=strategies, options=options)
        return warm.run(tmp_path, {"HEADSTART_CACHE": str(cache), "COLUMNS": "140"}, script=script)

    return run
