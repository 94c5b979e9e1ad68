"""The run folder: everything a run knows, on disk, so that the same command goes on where it stopped.

run.json       the question (data, sources, settings) and, at the end, the answer
events.jsonl   what happened, a line each
trials/NAME/   one arm: trial.json, predictions.npz, its own checkpoints under work/
model/         the shipped bundle        report.html
items.parquet  the items, their labels and folds        insight.json    what else the predictions tell
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from headstart.core.events import Event
from headstart.core.evidence import Cost
from headstart.core.files import left_over, write_atomic, write_json
from headstart.core.strategy import Trial
from headstart.errors import HeadstartError, RunError

VERSION = 1
OURS = frozenset({".lock", "trials", "events.jsonl"})
"""What a run that was stopped at once may have left."""


def slug(name: str) -> str:
    """A folder name for an arm: letters, digits, dots and dashes."""
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "arm"


class RunFolder:
    """One run's folder, locked while it is open. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fresh = not (path / "run.json").exists()
        try:
            if self.fresh and path.is_dir() and any(p.name not in OURS for p in path.iterdir()):
                raise RunError(path, "the folder is not empty and holds no run", "choose another --out")
            self._make()
        except OSError as error:
            raise RunError(path, f"cannot be written ({error.strerror})", "choose another --out") from error
        self._lock = FileLock(path / ".lock", timeout=0)

    def _make(self) -> None:
        """Raises `RunError` for a folder that somebody has prepared with links: what is written to it would
        land elsewhere."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "trials").mkdir(exist_ok=True)
        prepared = [self.path / name for name in sorted(OURS)] + sorted((self.path / "trials").glob("*"))
        linked = next((path for path in prepared if path.is_symlink()), None)
        if linked is not None:
            name = linked.relative_to(self.path)
            raise RunError(self.path, f"{name} in it is a link to another place", "choose another --out")

    def __enter__(self) -> RunFolder:
        try:
            self._lock.acquire()
            with self.writing():
                if not (self.path / ".lock").exists():  # its last owner was just clearing the folder away
                    self._lock.release()
                    self._make()
                    self._lock.acquire()
                self._make()
        except Timeout as error:
            raise RunError(
                self.path, "another process is working in it", "wait, or choose another --out"
            ) from error
        self._sweep()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is not None and issubclass(kind, HeadstartError) and self.fresh and not self.trials():
                shutil.rmtree(self.path, ignore_errors=True)  # a mistake leaves nothing half-written
        finally:
            self._lock.release()

    def _sweep(self) -> None:
        """Remove what processes that were killed have left. With the lock nobody else is writing here."""
        folders = [self.path, *self.path.glob("trials/*"), *self.path.glob("trials/*/work")]
        for path in [path for folder in folders for path in left_over(folder)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A disk that is full or read-only is one sentence."""
        try:
            yield
        except OSError as error:
            where = f"{Path(error.filename).name} " if error.filename else ""
            problem = f"{where}cannot be written ({error.strerror or error})"
            raise RunError(self.path, problem, "free some space, or choose another --out") from error

    # what was asked, what came out

    def read(self) -> dict[str, Any]:
        """`run.json`, or an empty dict for a new folder. Raises `RunError` when it is not ours."""
        return read_run(self.path, missing_ok=True)

    def write(self, content: Mapping[str, Any]) -> None:
        with self.writing():
            write_json(self.path / "run.json", {"version": VERSION, **content})

    def begin(self, question: Mapping[str, Any]) -> bool:
        """Note the question; True when this folder was already working on the same one.

        Raises `RunError` when the folder holds the run of another question.
        """
        known = self.read()
        if not known:
            self.write({"question": dict(question)})
            return False
        differing = sorted(k for k in question if known.get("question", {}).get(k) != question[k])
        if differing:
            raise RunError(
                self.path,
                f"it holds a run with other {', '.join(differing)}",
                "choose another --out, or repeat that run's command to resume it",
            )
        return True

    def event(self, event: Event) -> None:
        """Append to the log. Progress is for eyes, not for the log."""
        if event.kind == "progress":
            return
        line = json.dumps({"time": round(time.time(), 3), "kind": event.kind, **event.data}, default=str)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with self.writing(), os.fdopen(os.open(self.path / "events.jsonl", flags, 0o666), "ab") as file:
            file.write(f"{line}\n".encode())

    # arms

    def workdir(self, arm: str) -> Path:
        """The arm's own folder for checkpoints; made when missing."""
        path = self.path / "trials" / slug(arm) / "work"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def forget_plan(self, arm: str) -> None:
        """Let a training arm settle anew on what fits its time; finished folds stay."""
        (self.workdir(arm) / "plan.json").unlink(missing_ok=True)

    def save_trial(self, trial: Trial) -> None:
        folder = self.workdir(trial.arm).parent
        buffer = io.BytesIO()
        np.savez_compressed(buffer, predictions=trial.predictions)
        record = {k: v for k, v in vars(trial).items() if k not in ("predictions", "cost")}
        with self.writing():
            write_atomic(folder / "predictions.npz", buffer.getvalue())
            write_json(folder / "trial.json", {**record, "cost": asdict(trial.cost)})

    def trials(self) -> dict[str, Trial]:
        """Every finished arm, by name. Half-written ones do not count."""
        found = {}
        for record in sorted((self.path / "trials").glob("*/trial.json")):
            trial = load_trial(record)
            found[trial.arm] = trial
        return found


def load_trial(record: Path) -> Trial:
    """A trial from its `trial.json`; raises `RunError` when it cannot be read."""
    try:
        data = json.loads(record.read_text(encoding="utf-8"))
        with np.load(record.with_name("predictions.npz"), allow_pickle=False) as arrays:
            predictions = arrays["predictions"]
        cost = Cost(**data.pop("cost"))
        return Trial(**data, cost=cost, predictions=predictions)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            record.parents[2],
            f"the record {record.parent.name} is damaged",
            "delete that folder and run again",
        ) from error


def read_run(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """The content of a run folder's `run.json`.

    Raises `RunError` when there is none (unless `missing_ok`), or when it is damaged or newer.
    """
    file = path / "run.json"
    if not file.is_file():
        if missing_ok:
            return {}
        raise RunError(
            path, "there is no run here (no run.json)", "name the folder that `headstart fit` printed"
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(path, "run.json is damaged", "choose another --out") from error
    if not isinstance(content, dict):
        raise RunError(path, "run.json holds no run", "choose another --out")
    if content.get("version", 0) > VERSION:
        raise RunError(
            path, f"it was written by a newer Headstart (format {content['version']})", "upgrade Headstart"
        )
    return content


def read_object(path: Path) -> dict[str, Any]:
    """What a JSON file of a run folder holds; empty for a run of an older Headstart, which has none.

    Raises `RunError` when it is damaged.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise RunError(path.parent, f"{path.name} is damaged", "delete that file to go on without it")
    return content


def default_folder(name: str, question: Mapping[str, Any], root: Path) -> Path:
    """`root/NAME-K`: the run of the same question when there is one, else the next free number."""
    number = 1
    while (path := root / f"{slug(name)}-{number}").exists():
        try:
            if read_run(path, missing_ok=True).get("question") == dict(question):
                return path
        except RunError:
            pass
        number += 1
    return path
