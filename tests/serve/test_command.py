"""`headstart serve` in a process of its own: an address, an answer, and an end that is asked for."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from headstart.export.bundle import save
from made.models import tiny_images, tiny_model

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "headstart", "serve", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_answers_until_it_is_told_to_end(tmp_path: Path) -> None:
    save(tiny_model(), tmp_path / "model", probes=tiny_images(2))
    process = started(tmp_path / "model", "--port", "0")
    assert process.stdout is not None
    address = process.stdout.readline().split()[0]
    with urllib.request.urlopen(address + "healthz", timeout=20) as answer:
        assert answer.read() == b'{"status": "ok"}'
    port = address.rstrip("/").rpartition(":")[2]
    taken = subprocess.run(
        [sys.executable, "-m", "headstart", "serve", str(tmp_path / "model"), "--port", port],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (143, "headstart: stopped\n")
    assert taken.returncode == 2
    assert taken.stderr.startswith(f"headstart: --port is {port}")
    assert taken.stderr.count("\n") == 1
