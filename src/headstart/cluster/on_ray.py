"""Jobs as tasks of Ray: of the cluster that RAY_ADDRESS names, else of one that is started here."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

from headstart._lazy import optional
from headstart.cluster.jobs import Job, do, result
from headstart.errors import JobError

AHEAD = 2
"""Jobs that wait for each worker."""
SECONDS = 5
"""That a cluster may take to answer."""


class OnRay:
    """See `headstart.cluster.Workers`. A task has one core."""

    def __init__(self, ray: Any) -> None:
        self._ray, self.count = ray, max(1, int(ray.cluster_resources().get("CPU", 1)))
        # a worker that dies is no fault of the job; what the job raises comes back as its result
        self._do = ray.remote(num_cpus=1, max_retries=-1)(do)

    def results(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Any]]:
        """See `Workers`."""
        rest = iter(jobs)
        waiting: dict[Any, Job] = {}
        try:
            while True:
                while len(waiting) < AHEAD * self.count and (job := next(rest, None)) is not None:
                    waiting[self._do.remote(job.written())] = job
                if not waiting:
                    return
                done, _ = self._ray.wait(list(waiting), num_returns=1)
                for reference in done:
                    job = waiting.pop(reference)
                    yield job, result(job, self._got(job, reference))
        finally:
            self._give_up(waiting)

    @contextmanager
    def beside(self, job: Job) -> Iterator[None]:
        """See `Workers`. Whoever opens the block works, too, and needs a core."""
        running = [self._do.remote(job.written()) for _ in range(max(1, self.count - 1))]
        try:
            yield
        finally:
            self._give_up(running)

    def _got(self, job: Job, reference: Any) -> str:
        try:
            return str(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            raise JobError(job.call.rpartition(":")[2].replace("_", " "), f"Ray says: {error}") from error

    def _give_up(self, references: Iterable[Any]) -> None:
        for reference in references:
            with suppress(self._ray.exceptions.RayError):
                self._ray.cancel(reference, force=True)


def _reachable(address: str) -> None:
    """Raises `OSError` where nobody listens: Ray itself would go on trying for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), SECONDS).close()


@contextmanager
def workers() -> Iterator[OnRay]:
    """Raises `MissingExtra` without Ray, `JobError` where no cluster answers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    # a task asks for no GPU and sees none: sixteen would share one
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    ray = optional("ray", extra="cluster", needed_for="--on ray")
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    local = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        if address:
            _reachable(address)
        with redirect_stderr(io.StringIO()):  # what it says of itself is for who runs the cluster
            ray.init(address=address, **quiet, **local)
    except Exception as error:
        where = f"RAY_ADDRESS={address}" if address else "a cluster on this machine"
        raise JobError(f"starting {where}", str(error).splitlines()[0], "see `ray status`") from error
    try:
        yield OnRay(ray)
    finally:
        ray.shutdown()
