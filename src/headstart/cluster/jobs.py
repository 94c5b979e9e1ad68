"""Jobs, who does them, and what a worker runs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from headstart.core import environment
from headstart.errors import JobError


@dataclass(frozen=True)
class Job:
    """What a worker is to do."""

    call: str
    """ "headstart.room.module:function", which takes `given` and returns what JSON can hold."""
    given: Any
    version: str = field(default_factory=lambda: environment.versions()["headstart"])
    """Of Headstart where it was made: another one might compute something else."""

    def written(self) -> str:
        return json.dumps(asdict(self))


class Workers(Protocol):
    """Processes that do jobs."""

    count: int
    """How many jobs are done at a time."""

    def results(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Any]]:
        """Each job with what it returned, as they end. One whose worker dies is done again, however often.

        Raises `JobError` with what a job raised.
        """

    def beside(self, job: Job) -> AbstractContextManager[None]:
        """The same job on all of them while the block runs, for work that whoever comes shares. What they
        have not done by its end is given up; what one of them raises ends that one alone."""


def do(written: str) -> str:
    """What a worker runs: a job as `Job.written` gives it -> {"result"} or {"error"}, as JSON."""
    job = Job(**json.loads(written))
    here = environment.versions()["headstart"]
    if job.version != here:
        return json.dumps({"error": f"Headstart {here} is installed there, and {job.version} here"})
    module, _, name = job.call.partition(":")
    if module.split(".")[0] != __name__.split(".", maxsplit=1)[0]:
        return json.dumps({"error": f"{job.call} is no function of Headstart"})
    try:
        return json.dumps({"result": getattr(importlib.import_module(module), name)(job.given)})
    except Exception as error:
        return json.dumps({"error": str(error) or type(error).__name__})


def result(job: Job, said: str) -> Any:
    """What `do` has said of a job. Raises `JobError`."""
    found = json.loads(said)
    if "error" in found:
        raise JobError(job.call.rpartition(":")[2].replace("_", " "), found["error"])
    return found["result"]
