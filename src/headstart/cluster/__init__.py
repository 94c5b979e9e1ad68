"""Work in other processes and on other machines: jobs that are plain data, for somebody else's scheduler.

A job is the name of a function of Headstart and what it is given, as JSON. What it makes lies in a feature
store or in a folder that all workers see; what it returns is JSON. A job may be run again, or by two workers
at once: it is written so that this costs time and changes nothing. `ON` names what runs them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from headstart.cluster.jobs import Job, Workers
from headstart.errors import UnknownName

__all__ = ["ON", "Job", "Workers", "opened"]

ON = {"ray": "headstart.cluster.on_ray"}
"""Name -> module with a context manager `workers`."""


@contextmanager
def opened(name: str) -> Iterator[Workers]:
    """The workers of that name, until the block ends. Raises `UnknownName`, `MissingExtra` and `JobError`."""
    if name not in ON:
        raise UnknownName("cluster", name, list(ON))
    with importlib.import_module(ON[name]).workers() as found:
        yield found
