"""The run folder: everything a run knows, on disk, so that the same command goes on where it stopped.

run.json       the question (data, sources, settings) and, at the end, the answer
events.jsonl   what happened, a line each
trials/NAME/   one arm: trial.json, predictions.npz, its own checkpoints under work/
model/         the shipped bundle        report.html
items.parquet  the items, their labels and folds        insight.json    what else the predictions tell
domains.json   of an adapted run: source and target in a plane
shifts.json    what `headstart shift` found of this run and other data, the latest last
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from headstart.core import untrusted
from headstart.core.events import Event
from headstart.core.evidence import Cost
from headstart.core.files import left_over, open_atomic, plain, write_json
from headstart.core.predictions import Dense, Predictions
from headstart.core.strategy import Trial
from headstart.core.task import Task
from headstart.core.untrusted import Damaged, field, limits, parsing
from headstart.errors import HeadstartError, RunError

VERSION = 1
DOMAINS, SHIFTS = "domains.json", "shifts.json"
SOURCE = "source"
"""The run by the labels of the source alone, inside of that which is adapted to a target."""
OURS = frozenset({".lock", "trials", "events.jsonl", SOURCE})
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
                self.path, "it is locked by another process", "wait, or choose another --out"
            ) from error
        except BaseException:
            self._lock.release()
            raise
        self._sweep()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is not None and issubclass(kind, HeadstartError) and self.fresh and not self._tried():
                shutil.rmtree(self.path, ignore_errors=True)  # a mistake leaves nothing half-written
        finally:
            self._lock.release()

    def _tried(self) -> bool:
        """Whether any arm has left something."""
        return any(self.path.glob("trials/*/trial.json")) or (self.path / SOURCE).exists()

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
        with sound(self.path, "run.json", "choose another --out"):
            asked = field(known, "question", dict)
        differing = sorted(k for k in {*question, *asked} if asked.get(k) != question.get(k))
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
        content = {"time": round(time.time(), 3), "kind": event.kind, **event.data}
        line = json.dumps(plain(content), default=str)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with self.writing(), os.fdopen(os.open(self.path / "events.jsonl", flags, 0o666), "ab") as file:
            file.write(f"{line}\n".encode())

    # arms

    def workdir(self, arm: str) -> Path:
        """The arm's own folder for checkpoints; made when missing."""
        path = self.path / "trials" / slug(arm) / "work"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def save_trial(self, trial: Trial) -> None:
        folder = self.workdir(trial.arm).parent
        record = {k: v for k, v in vars(trial).items() if k not in ("predictions", "cost")}
        with self.writing():
            with open_atomic(folder / "predictions.npz") as file:
                trial.predictions.save(file)
            write_json(folder / "trial.json", {**record, "cost": asdict(trial.cost)})

    def trials(self, kind: type[Predictions] = Dense) -> dict[str, Trial]:
        """Every finished arm, by name, with this kind of predictions. Half-written ones do not count."""
        found = {}
        for record in sorted((self.path / "trials").glob("*/trial.json")):
            trial = load_trial(record, kind)
            found[trial.arm] = trial
        return found


@contextlib.contextmanager
def sound(folder: Path, name: str, remedy: str) -> Iterator[None]:
    """Whatever reading or using a run folder's file `name` raises is a `RunError` that names it."""
    try:
        with parsing():
            yield
    except Damaged as error:
        raise RunError(folder, f"{name} is damaged ({error})", remedy) from error
    except OSError as error:
        raise RunError(folder, f"{name} cannot be read ({error.strerror or error})", remedy) from error


def load_trial(record: Path, kind: type[Predictions] = Dense) -> Trial:
    """A trial from its `trial.json`; raises `RunError` when it cannot be read, or is no trial."""
    run, place = record.parents[2], f"trials/{record.parent.name}"
    remedy = f"delete its folder {place} and repeat the run's command: it makes that arm again"
    with sound(run, f"{place}/{record.name}", remedy):
        data = untrusted.read_object(record, most=limits.ITEM_BYTES)
        known = Trial(**{**data, "cost": Cost(**data["cost"])})
        for name in ("arm", "strategy", "status", "reason", "digest"):
            field(vars(known), name, str)
        field(data, "source", str, empty=True)
        field(vars(known), "choices", dict)
        for name in ("forward_passes", "seconds", "peak_bytes", "fold"):
            field(vars(known.cost), name, float)
    with sound(run, f"{place}/predictions.npz", remedy):
        return replace(known, predictions=kind.load(record.with_name("predictions.npz")))


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
    with sound(path, file.name, "choose another --out, and run `headstart fit` again"):
        content = untrusted.read_object(file, most=limits.ITEM_BYTES)
        version = field({"version": 0, **content}, "version", int)
    if version > VERSION:
        raise RunError(path, f"it was written by a newer Headstart (format {version})", "upgrade Headstart")
    return content


def read_finished(path: Path) -> dict[str, Any]:
    """The same for a run that has come to its end; its answer is of the form that every reader expects.

    Raises `RunError` also for a run that has not finished.
    """
    record = read_run(path)
    if not record.get("complete"):
        raise RunError(path, "the run has not finished", "repeat its command to let it finish")
    with sound(path, "run.json", "run `headstart fit` again with another --out"):
        for name, kind in FORM.items():
            field(record, name, kind)
        Task.from_json(record["task"])
        for name in ("answer.reference", "answer.test"):
            field(record, name, str if name.endswith("reference") else dict, empty=True)
        for name in MEASURED if record["answer"]["test"] is not None else ():
            field(record, f"answer.test.{name}", float, empty=name != "n")
        for row in record["answer"]["rows"]:
            field(row, "arm", str)
            field(row, "seconds", float)
            known = {**dict.fromkeys((*TEXTS, *NUMBERS)), **row}  # an older version knew less
            for name in (*TEXTS, *NUMBERS):
                field(known, name, str if name in TEXTS else float, empty=True)
        if not any(row.get("shipped") for row in record["answer"]["rows"]):
            raise Damaged("no arm of its answer is the shipped one")
    return record


FORM = {
    "question": dict,
    "task.kind": str,
    "task.labels": list,
    "task.metric": str,
    "answer.winner": str,
    "answer.rows": list,
    "answer.budget": float,
    "answer.seconds": float,
    "answer.verdict.outcome": str,
    "answer.verdict.sentence": str,
}
"""What every finished run tells, by its place in run.json."""
MEASURED = ("value", "low", "high", "n")
TEXTS = ("source", "strategy", "status", "reason")
NUMBERS = ("score", "low", "high", "n", "gain", "gain_low", "gain_high", "place")
"""Of an arm; null where it has none, or one that is not finite."""


def read_object(path: Path) -> dict[str, Any]:
    """What a JSON file of a run folder holds; empty for a run of an older Headstart, which has none.

    Raises `RunError` when it is damaged.
    """
    if not path.exists():
        return {}
    with sound(path.parent, path.name, "delete that file to go on without it"):
        return untrusted.read_object(path, most=limits.ITEM_BYTES)


def default_folder(name: str, question: Mapping[str, Any], root: Path, within: tuple[str, ...] = ()) -> Path:
    """`root/NAME-K`: the run of the same question (or with it in the folder `within`) when there is one, else
    the next free number."""
    number = 1
    while (path := root / f"{slug(name)}-{number}").exists():
        try:
            if read_run(path.joinpath(*within), missing_ok=True).get("question") == dict(question):
                return path
        except RunError:
            pass
        number += 1
    return path
