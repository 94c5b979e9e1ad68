"""A process that has imported what commands need, and forks one that runs each: fresh, without the seconds of
importing. One journey starts its commands anew; the hundreds of others need not.

It ends such a process without taking the interpreter apart, which takes a second and says nothing of Headstart.
Jobs come as lines of JSON on standard input: `folder`, `variables`, `arguments` of the command or a `script`,
and `told`, a folder for what is written to standard output and error. A line with the exit code answers each.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("scipy.stats", "rich.progress", "rich.table", "torch.export")
"""What commands import when they come to it, beside Headstart itself."""
LIMIT = 300
"""Seconds after which a command is ended."""


def serve() -> None:
    """Fork for each job, and wait for it."""
    import_headstart()
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        had = set(sys.modules)
        gc.freeze()
        child = os.fork()
        if not child:
            code = begin(job)
            Path(job["told"], "imported").write_text(
                "\n".join(name for name in sys.modules if name not in had)
            )
            end(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()
        learn(Path(job["told"], "imported"))


def import_headstart() -> None:
    """All of it that needs no extra, and what it imports."""
    import headstart.cli

    for module in pkgutil.walk_packages(headstart.__path__, "headstart."):
        if not module.name.startswith(("headstart.testing", "headstart.__main__")):
            with suppress(ImportError):
                importlib.import_module(module.name)
    for name in NEEDED:
        importlib.import_module(name)
    headstart.cli.build()


def learn(told: Path) -> None:
    """Import what a command has imported, in the order in which it did: the next one finds it there."""
    with suppress(FileNotFoundError):
        for name in told.read_text().split():
            with suppress(Exception):
                importlib.import_module(name)
        told.unlink()


def begin(job: dict[str, Any]) -> int:
    """Do it as its main program; gives the exit code."""
    signal.alarm(LIMIT)
    prove_here(pytest.MonkeyPatch())
    os.chdir(job["folder"])
    os.environ.update(job["variables"])
    for number, name in enumerate((os.devnull, f"{job['told']}/out", f"{job['told']}/err")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
    try:
        if "script" in job:
            exec(compile(job["script"], "<script>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv = ["headstart", *job["arguments"]]
            runpy.run_module("headstart", run_name="__main__", alter_sys=True)
    except SystemExit as left:
        return int(left.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(code: int) -> None:
    """As the interpreter ends, but for the second in which it takes itself apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def prove_here(patch: pytest.MonkeyPatch) -> None:
    """The cold process in which a saved copy is opened is what the journeys show: here this one opens it."""
    from headstart.export import bundle, fresh

    patch.setattr(bundle, "_reopen", lambda job, target: bundle._judge(bundle.reported(job), target))
    patch.setattr(fresh.Standby, "start", lambda self: None)


class Warm:
    """The other end: starts that process and gives it jobs."""

    def __init__(self, told: Path) -> None:
        self.told = told
        variables = {name: value for name, value in os.environ.items() if name != "HEADSTART_DOWNLOAD"}
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables,
        )  # fmt: skip

    def run(self, folder: Path, variables: dict[str, str], **what: Any) -> subprocess.CompletedProcess[str]:
        """Do `arguments=[...]` or `script="..."` there."""
        job = {"folder": str(folder), "variables": variables, "told": str(self.told), **what}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(job), file=self.process.stdin, flush=True)
        code = int(self.process.stdout.readline())
        out, err = ((self.told / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess([], code, out, err)

    def close(self) -> None:
        self.process.communicate()


if __name__ == "__main__":
    serve()
