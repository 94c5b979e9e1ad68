"""Jobs are plain data: what a worker is told, what it says, and what it does not do."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pytest

from headstart import cluster
from headstart.cluster import Job, on_ray
from headstart.cluster.jobs import do, result
from headstart.errors import JobError, MissingExtra, UnknownName


def test_a_job_goes_and_comes_back_as_json() -> None:
    job = Job("headstart.core.budget:parse_seconds", "2min")
    assert result(job, do(job.written())) == 120


@pytest.mark.parametrize(
    ("call", "version", "said"),
    [
        ("os:getcwd", None, "os:getcwd is no function of Headstart"),
        ("headstart.core.budget:nothing", None, "has no attribute 'nothing'"),
        ("headstart.core.budget:parse_seconds", "0.0.1", "Headstart"),
    ],
)
def test_what_cannot_be_done_there_is_said_here(call: str, version: str | None, said: str) -> None:
    job = Job(call, "2min") if version is None else Job(call, "2min", version)
    with pytest.raises(JobError, match=said):
        result(job, do(job.written()))


def test_what_a_job_raises_comes_back_in_a_sentence() -> None:
    job = Job("headstart.core.budget:parse_seconds", "soon")
    with pytest.raises(JobError, match=r"parse seconds failed on a worker: .*'soon'"):
        result(job, do(job.written()))


def test_clusters_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="known: ray"), cluster.opened("slurm"):
        pass
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"headstart\[cluster\]"), cluster.opened("ray"):
        pass


class Tasks:
    """What of Ray's tasks is used: they are done at once, and the last one is told first."""

    class exceptions:
        class RayError(Exception):
            pass

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.waiting: list[tuple[Any, str]] = []
        self.most, self.cancelled = 0, 0

    def init(self, **options: Any) -> None:
        self.options = options

    def shutdown(self) -> None:
        self.options = {}

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, **options: Any) -> Any:
        self.options |= options
        return lambda function: types.SimpleNamespace(remote=lambda written: self._begin(function, written))

    def _begin(self, function: Any, written: str) -> object:
        reference = object()
        self.waiting.append((reference, function(written)))
        self.most = max(self.most, len(self.waiting))
        return reference

    def wait(self, references: list[object], num_returns: int) -> tuple[list[object], list[object]]:
        return [references[-1]], references[:-1]

    def get(self, reference: object) -> str:
        (said,) = [said for one, said in self.waiting if one is reference]
        self.waiting = [entry for entry in self.waiting if entry[0] is not reference]
        return said

    def cancel(self, reference: object, *, force: bool) -> None:
        self.cancelled += 1


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    found = Tasks()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", found)
    return found


def test_tasks_of_ray_are_few_at_a_time_and_done_again_when_a_worker_dies(tasks: Tasks) -> None:
    jobs = [Job("headstart.core.budget:parse_seconds", f"{n}s") for n in range(1, 21)]
    with cluster.opened("ray") as workers:
        assert tasks.options["max_retries"] == -1
        found = {json.dumps(job.given): answer for job, answer in workers.results(jobs)}
    assert found == {json.dumps(f"{n}s"): n for n in range(1, 21)}
    assert tasks.most == on_ray.AHEAD * workers.count


def test_who_is_not_needed_any_more_is_sent_home(tasks: Tasks) -> None:
    with cluster.opened("ray") as workers:
        with workers.beside(Job("headstart.core.budget:parse_seconds", "1s")):
            assert len(tasks.waiting) == 1, "a core is left to who opened the block"
        assert tasks.cancelled == 1


def test_an_address_where_nobody_listens_is_told_at_once(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(JobError, match=r"RAY_ADDRESS=127.0.0.1:1 failed"), cluster.opened("ray"):
        pass
