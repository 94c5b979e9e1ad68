"""Killed or stopped at any moment: the same command goes on, and finished arms are not run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
FIT = ("--source", "bundled/strokes", "--budget", "25s", "--strategy", "probe", "--out", "run")


def start(shapes: Path, where: Path, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "headstart", "fit", str(shapes), *FIT],
        cwd=where, env={**os.environ, "HEADSTART_CACHE": str(cache)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_same_command_goes_on(
    how: signal.Signals, shapes: Path, cache: Path, headstart: Any, tmp_path: Path
) -> None:
    first = tmp_path / "run" / "trials" / "pixels" / "trial.json"
    process = start(shapes, tmp_path, cache)
    wait_for(first, process)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on" in said
        assert "Traceback" not in said
    before = first.stat().st_mtime_ns
    done = headstart("fit", shapes, *FIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert first.stat().st_mtime_ns == before
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert any(e["kind"] == "trial" and e["arm"] == "pixels" and e["kept"] for e in events)


def test_two_runs_cannot_share_a_folder(shapes: Path, cache: Path, headstart: Any, tmp_path: Path) -> None:
    process = start(shapes, tmp_path, cache)
    wait_for(tmp_path / "run" / "run.json", process)
    second = headstart("fit", shapes, *FIT)
    process.kill()
    process.communicate()
    assert second.returncode == 2
    assert "another process is working in it" in second.stderr
