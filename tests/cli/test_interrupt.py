"""Killed or stopped at any moment: the same command goes on, and finished arms are not run again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow
FIT = ("--source", "bundled/strokes", "--budget", "25s", "--strategy", "probe", "--out", "run")

STOPPED = (130, -signal.SIGINT)
"""What a shell calls 130: Python ends by the signal itself where it came while a module was being imported."""


def start(shapes: Path, where: Path, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "headstart", "fit", str(shapes), *FIT],
        cwd=where, env={**os.environ, "HEADSTART_CACHE": str(cache)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen[str], holds: str = "", seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not (path.exists() and holds in path.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)


def test_the_same_command_goes_on_when_it_was_killed_and_when_it_was_stopped(
    shapes: Path, cache: Path, headstart: Any, tmp_path: Path
) -> None:
    first, second = (tmp_path / "run" / "trials" / arm / "trial.json" for arm in ("majority", "pixels"))
    process = start(shapes, tmp_path, cache)
    wait_for(first, process)
    process.send_signal(signal.SIGSTOP)  # it keeps its lock, and gets no further
    other = headstart("fit", shapes, *FIT)
    assert other.returncode == 2
    assert "it is locked by another process" in other.stderr
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    time_of_first = first.stat().st_mtime_ns
    for arm in first.parents[1].iterdir():  # what it has finished before it was stopped
        if arm != first.parent:
            shutil.rmtree(arm)

    process = start(shapes, tmp_path, cache)
    wait_for(second, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in STOPPED
    assert "the same command goes on" in said
    assert "Traceback" not in said
    before = np.load(second.with_name("predictions.npz"))["predictions"]

    process = start(shapes, tmp_path, cache)  # and while the page is made, when the verdict has been told
    wait_for(tmp_path / "run" / "events.jsonl", process, holds='"kind": "verdict"')
    process.send_signal(signal.SIGINT)
    told, said = process.communicate(timeout=60)
    assert process.returncode in STOPPED
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "report.html").exists()

    done = headstart("fit", shapes, *FIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run" / "report.html").exists()
    verdict = json.loads((tmp_path / "run" / "run.json").read_text())["answer"]["verdict"]["sentence"]
    assert verdict in told.replace("\n", " "), "the one that was told before"
    assert first.stat().st_mtime_ns == time_of_first
    after = np.load(second.with_name("predictions.npz"))["predictions"]
    held = np.isfinite(before)  # on a busy machine it had few folds, and has gone on
    assert held.any()
    np.testing.assert_array_equal(after[held], before[held])
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    kept = [e["arm"] for e in events if e["kind"] == "trial" and e["kept"]]
    assert kept[:3] == ["majority", "majority", "pixels"]
