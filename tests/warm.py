"""A process that has imported what commands need, and forks one that runs each: fresh, without the seconds of
importing. The journeys start theirs anew; the documentation's fifty commands need not.

Jobs come as lines of JSON on standard input: `folder`, `variables`, `arguments` of the command or a `script`,
and `told`, a folder for what is written to standard output and error. A line with the exit code answers each.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

IMPORTED = (
    "headstart.cli.fit",
    "headstart.cli._rows",
    "headstart.run.fit",
    "headstart.predict.predictor",
    "headstart.export.bundle",
    "headstart.export.fresh",
    "torch.export",
)
OF_TEXTS = ("transformers.modeling_utils", "transformers.models.bert.modeling_bert")
LIMIT = 300
"""Seconds after which a command is ended."""


def serve() -> None:
    """Fork for each job and wait for it; return in the child, with the job done as its main program."""
    texts = OF_TEXTS if importlib.util.find_spec("transformers") else ()
    for name in (*IMPORTED, *texts):
        importlib.import_module(name)
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            begin(json.loads(line))
            return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


def begin(job: dict[str, Any]) -> None:
    signal.alarm(LIMIT)
    prove_here()
    os.chdir(job["folder"])
    os.environ.update(job["variables"])
    for number, name in enumerate((os.devnull, f"{job['told']}/out", f"{job['told']}/err")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
    if "script" in job:
        exec(compile(job["script"], "<script>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = ["headstart", *job["arguments"]]
        runpy.run_module("headstart", run_name="__main__", alter_sys=True)


def prove_here() -> None:
    """The cold process in which a saved copy is opened is what the journeys show: here this one opens it."""
    from headstart.export import bundle, fresh

    vars(bundle)["_reopen"] = lambda place, target: bundle._judge(bundle.verify(place).to_json(), target)
    fresh.Standby.start = lambda self: None  # type: ignore[method-assign]


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
