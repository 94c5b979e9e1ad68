"""A fresh process for the proof that is started early: it imports while the run is still at work, then waits.

Importing is nearly all that a proof takes (12 s of 13 with a small encoder of texts). What it then does is
what one started for the purpose does (`bundle.reported`): it knows nothing of the run but the path of the
copy. It ends with the process that started it.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from headstart.core.environment import waiting

LIBRARIES = ("transformers.models.", "timm.models", "torchvision.models", "headstart.nets.")
"""Beginnings of the names of modules that a network needs."""
FIRST = ("torch", "safetensors.numpy")
CODE = "from headstart.export.bundle import stand_by; stand_by()"
"""What it runs."""
WAIT = 1800.0


class Standby:
    """The process from outside; nothing runs before `begin` or `start`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._sent = 0

    def begin(self) -> None:
        """Start it, to import only what the copy needs."""
        with suppress(OSError):
            # Ctrl-C is for the run: this one ends when its standard input does
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace", start_new_session=True,
                env=waiting(),
            )  # fmt: skip
            threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def start(self) -> None:
        """Start it, or let it import what this process has imported since then."""
        if self._process is None:
            self.begin()
        self._send({"import": [*FIRST, *(name for name in sys.modules if name.startswith(LIBRARIES))]})

    @property
    def ready(self) -> bool:
        """Whether it has imported all that it was told to."""
        return (
            self._process is not None and self._process.poll() is None and self._lines.qsize() >= self._sent
        )

    def answer(self, job: Mapping[str, Any]) -> dict[str, Any] | None:
        """What it says of a copy (see `bundle.reported`); None where there is no such process (any more)."""
        if self._process is None or not self._send(dict(job)):
            return None
        found = None
        with suppress(queue.Empty, ValueError):
            while (line := self._lines.get(timeout=WAIT)) is not None:
                found = json.loads(line)
                if "ready" not in found:
                    return dict(found)
        return None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _send(self, job: dict[str, Any]) -> bool:
        process = self._process
        if process is None or process.stdin is None or process.poll() is not None:
            return False
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        except OSError:
            return False
        self._sent += 1
        return True

    def _listen(self, stream: Any) -> None:
        for line in stream:
            if line.startswith("{"):
                self._lines.put(line)
        self._lines.put(None)
