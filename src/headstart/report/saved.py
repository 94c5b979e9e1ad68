"""What a run folder holds for its report beside run.json. Runs of older versions lack some of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from headstart.core.untrusted import Damaged, parsing
from headstart.core.untrusted import read_object as as_object
from headstart.errors import RunError
from headstart.run.state.folder import DOMAINS, SHIFTS, read_object


@contextmanager
def needed(folder: Path) -> Iterator[None]:
    """Whatever goes wrong in telling what a run's files hold is a `RunError` that says so."""
    try:
        with parsing():
            yield
    except Damaged as error:
        problem = f"its files do not hold what a report needs ({error})"
        remedy = "they may be damaged, or of another version: run `headstart fit` again"
        raise RunError(folder, problem, remedy) from error


def insight(folder: Path) -> dict[str, Any]:
    """The content of insight.json; empty where there is none. Raises `RunError` when it is damaged."""
    return read_object(folder / "insight.json")


def pictures(folder: Path) -> dict[str, Any]:
    """The content of pictures.json as `samples.gather` made it; empty where there is none. Raises `RunError`
    when it is damaged."""
    return read_object(folder / "pictures.json")


def domains(folder: Path) -> dict[str, Any]:
    """{"map", "shifts"}: both domains of an adaptation in a plane, and what `headstart shift` has noted of
    this run, the latest first; empty where there is neither. Raises `RunError` for what is damaged."""
    shifts = read_object(folder / SHIFTS).get("shifts", ())
    return {"map": read_object(folder / DOMAINS), "shifts": list(reversed(shifts))}


def events(folder: Path) -> list[dict[str, Any]]:
    """The lines of events.jsonl; a line that a crash cut short is left out."""
    try:
        lines = (folder / "events.jsonl").read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(Damaged):
            found.append(as_object(line))
    return found
