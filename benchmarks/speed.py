"""Product against peer, in turns, in whole processes, each peer in an environment of its own.

    python benchmarks/speed.py --shared FOLDER [--only NAME ...] [--repeats 3] [--envs FOLDER] [--one-thread] [--quick]

FOLDER holds `data/` and `weights/`. A peer's environment is made once, of the versions in `_versus/peers.json`; one
that cannot be installed is reported with pip's reason. All sides of a case take turns (A B A B); the median of the
repeats counts, with the least and the most. A ratio is claimed where our accuracy is not lower (or features, or scores,
are the same), and where the machine was idle: during no run may other processes use more than a tenth of a core. With
`--one-thread` each side has one thread on one core, and seconds of the processor are compared instead. `--quick` is a trial of
the whole on a tenth of the data. `--table` only draws the table in the docs again from what is stored.

This file itself imports next to nothing, for a process is said to have had the memory of the one that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent / "_versus"))

import environments
import table
from cases import CASES, OURS, Arm, Case, Place

RESULTS = Path(__file__).parent / "results" / "speed.json"
SCRIPTS = Path(__file__).parent / "_versus"
IDLE = 0.1
"""Cores that other processes may use while a side runs."""
COSINE, CLOSE = 0.999, 1e-5
"""Least cosine of two sides' features, largest relative difference of their scores."""
FOLDERS = re.compile(r"(?<!\w)(?:/[^/\s'\"]+)+/")
"""Of this machine, which are nobody's business in a result."""
THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "RAYON")
DROPPED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS")
"""Not handed on: both sides have the kernels and threads that their libraries choose."""


class Failed(Exception):
    """A process that did not end well; says the end of what it wrote."""


def busy() -> float:
    """Seconds that all cores together have worked since the machine started."""
    spent = psutil.cpu_times()
    return sum(spent) - spent.idle - getattr(spent, "iowait", 0.0) - getattr(spent, "guest", 0.0)


def surroundings(arm: Arm, python: Path, place: Place) -> dict[str, str]:
    """Environment variables: an empty store, a home that a side keeps (fonts are listed once), no hub, threads as asked for."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    if arm.peer:
        kept.pop("PYTHONPATH", None)
    home = (python.parents[1] if arm.peer else place.data.parent) / "home"
    home.mkdir(exist_ok=True)
    own = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "HEADSTART_CACHE": str(place.room / "store"),
    }
    own |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "hub")}
    if place.one_thread:
        own |= {f"{library}_NUM_THREADS": "1" for library in THREADS} | {"TOKENIZERS_PARALLELISM": "false"}
    return {**kept, **own}


def once(arm: Arm, python: Path, place: Place) -> dict[str, Any]:
    """One process: what it said, "whole" (its seconds, those of the processor, peak memory in MB), and how many cores
    others used meanwhile. Raises `Failed`."""

    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before, start = busy(), time.perf_counter()
        os.sched_setaffinity(0, {max(cores)} if place.one_thread else cores)  # the process inherits it
        process = subprocess.Popen(
            [str(python), *arm.command],
            stdout=out,
            stderr=err,
            env=surroundings(arm, python, place),
            cwd=place.room,
        )
        os.sched_setaffinity(0, cores)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        own = used.ru_utime + used.ru_stime
        others = max(0.0, busy() - before - own) / seconds
        out.seek(0)
        err.seek(0)
        said, told = (file.read().decode(errors="replace") for file in (out, err))
    if process.returncode:
        raise Failed((told.strip().splitlines() or [f"ended with {process.returncode}"])[-1])
    found = result(said, place)
    whole = {"seconds": seconds, "processor": own, "megabytes": used.ru_maxrss / 1000}
    return {**found, "whole": whole, "others": others}


def recorded(record: Path) -> dict[str, Any]:
    """Of a run: its accuracy on the test part, and the seconds of its pass."""
    answer = json.loads(record.read_text(encoding="utf-8"))["answer"]
    return {"accuracy": answer["test"]["value"], "pass": answer["pass_seconds"]}


def result(said: str, place: Place) -> dict[str, Any]:
    """What a process found: what its run recorded, or the JSON of its last line. Raises `Failed` where it skipped."""
    record = place.room / "run" / "run.json"
    if record.is_file():
        return recorded(record)
    try:
        found = json.loads((said.strip().splitlines() or [""])[-1])
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    if "skip" in found:
        raise Failed(found["skip"])
    return found


def parts_of(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Part -> what is compared of it: parts that were named, a step or call that was timed, or else the whole process."""
    if "parts" in found:
        return dict(found["parts"])
    own = {name: found[name] for name in ("seconds", "processor") if name in found}
    return {"": own or found["whole"]}


def summary(values: list[float]) -> dict[str, float]:
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: float(f"{value:.9g}") for name, value in found.items()}


class Runner:
    """Runs a case, side by side."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.missing: dict[str, str] = {}
        """Peer -> why it is not there."""
        self.versions: dict[str, dict[str, str]] = {}
        """Peer -> what was measured."""

    def python(self, arm: Arm) -> Path:
        """The interpreter of a side. Raises `NotInstalled`."""
        if not arm.peer:
            return Path(sys.executable)
        if arm.peer not in self.missing:
            try:
                python = environments.python_of(arm.peer, self.options.envs.resolve())
            except environments.NotInstalled as why:
                self.missing[arm.peer] = str(why)
            else:
                self.versions[arm.peer] = environments.versions_of(arm.peer, python)
                return python
        raise environments.NotInstalled(self.missing[arm.peer])

    def place(self, case: Case, number: int = 0) -> Place:
        room = self.folder / f"room-{number}"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        one = self.options.one_thread or case.one_thread
        return Place(self.folder / case.data, room, self.options.quick, one)

    def prepare(self, case: Case) -> None:
        """Make the data that the case needs, once."""
        if (self.folder / case.data).is_dir():
            return
        print(f"making {case.data} ...", flush=True)
        given = [self.options.shared.resolve(), self.folder / case.data]
        size = "quick" if self.options.quick else "whole"
        command = [sys.executable, SCRIPTS / "data.py", case.data, *given, size]
        store = {"HEADSTART_CACHE": str(self.folder / "store")}
        subprocess.run(list(map(str, command)), check=True, env={**os.environ, **store})

    def run(self, name: str) -> dict[str, Any]:
        """All sides of a case in turns. A side that fails is out, and its reason is kept."""
        case = CASES[name]
        self.prepare(case)
        known = self.judged(case)
        found: dict[str, list[dict[str, Any]]] = {}
        out: dict[str, str] = {}
        cosines: dict[str, float] = {}
        for _ in range(self.options.repeats):
            for number in range(len(case.arms(self.place(case)))):
                place = self.place(case, number)
                arm = case.arms(place)[number]
                if arm.name in out:
                    continue
                try:
                    one = {**once(arm, self.python(arm), place), **known.get(arm.name.partition(",")[0], {})}
                except (Failed, environments.NotInstalled) as why:
                    out[arm.name] = FOLDERS.sub("", str(why))
                    print(f"{name}: {arm.name}: not measured: {why}", flush=True)
                    continue
                found.setdefault(arm.name, []).append(one)
                if case.equal == "cosine" and number and OURS in found:
                    cosines[arm.name] = self.cosine(number)
                print(f"{name}: {arm.name}: {one['whole']['seconds']:.1f} s", flush=True)
        return {**self.weigh(case, found, cosines), "not measured": out}

    def judged(self, case: Case) -> dict[str, dict[str, float]]:
        """Accuracies that are known beforehand: of the models that the sides open."""
        known = {}
        for arm in case.before(self.place(case)):
            try:
                known[arm.name] = {"accuracy": once(arm, self.python(arm), self.place(case))["accuracy"]}
            except (Failed, environments.NotInstalled) as why:
                print(f"{arm.name}: {why}", flush=True)
        record = self.folder / case.data / "run" / "run.json"
        if record.is_file():
            known[OURS] = {"accuracy": recorded(record)["accuracy"]}
        return known

    def cosine(self, number: int) -> float:
        """The least cosine of a side's features with ours."""
        rooms = [self.folder / f"room-{n}" / "features.npy" for n in (0, number)]
        command = [sys.executable, SCRIPTS / "ours.py", "agree", *rooms]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        return float(json.loads(done.stdout)["cosine"])

    def weigh(
        self, case: Case, found: dict[str, list[dict[str, Any]]], cosines: dict[str, float]
    ) -> dict[str, Any]:
        """Medians with range, and ratios with whether they are claimed."""
        one = self.options.one_thread or case.one_thread
        others = max((run["others"] for runs in found.values() for run in runs), default=0.0)
        sides: dict[str, Any] = {}
        for name, runs in found.items():
            parts = {}
            for part in parts_of(runs[0]):
                rows = [parts_of(run)[part] for run in runs]
                parts[part] = {key: summary([row[key] for row in rows]) for key in rows[0]}
            sides[name] = {
                "parts": parts,
                "whole": {k: summary([r["whole"][k] for r in runs]) for k in runs[0]["whole"]},
            }
            for key in ("accuracy", "pass"):
                if runs[0].get(key) is not None:
                    sides[name][key] = summary([run[key] for run in runs])
            if name in cosines:
                sides[name]["cosine"] = cosines[name]
        measure = "processor" if one else "seconds"
        for name, side in sides.items():
            if OURS in sides and not name.startswith(OURS):
                side["ratios"] = {
                    part: {
                        "times": float(
                            f"{row[measure]['median'] / sides[OURS]['parts'][part][measure]['median']:.3g}"
                        ),
                        "unclaimed": self.doubt(case, sides[OURS], side, part, 0.0 if one else others),
                    }
                    for part, row in side["parts"].items()
                    if part in sides[OURS]["parts"]
                }
        return {
            "title": case.title, "repeats": self.options.repeats, "quick": self.options.quick,
            "threads": "one" if one else "all", "compared": measure, "others": round(others, 2), "sides": sides,
        }  # fmt: skip

    def doubt(
        self, case: Case, ours: dict[str, Any], theirs: dict[str, Any], part: str, others: float
    ) -> str:
        """Why a ratio is not claimed; "" where it is."""
        if self.options.quick:
            return "a trial on little data"
        if others > IDLE:
            return f"the machine was not idle: others used {others:.1f} cores"
        if (
            case.equal == "accuracy"
            and "accuracy" in theirs
            and ours["accuracy"]["median"] < theirs["accuracy"]["median"]
        ):
            return "our accuracy is lower"
        if case.equal == "cosine" and theirs["cosine"] < COSINE:
            return f"features differ: cosine {theirs['cosine']:.4f}"
        if case.equal == "values":
            a, b = (side["parts"][part]["value"]["median"] for side in (ours, theirs))
            if abs(a - b) > CLOSE * max(abs(a), abs(b)):
                return f"scores differ: {a:g} and {b:g}"
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--envs", type=Path, default=Path("build/peers"), help="where peers are installed")
    parser.add_argument("--one-thread", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, not stored")
    parser.add_argument("--table", action="store_true", help="only draw the table again")
    options = parser.parse_args()
    stored = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {"cases": {}}
    if not options.table:
        about = subprocess.run(
            [sys.executable, str(SCRIPTS / "ours.py"), "about"], check=True, capture_output=True, text=True
        )
        stored = {**stored, **json.loads(about.stdout)}
        with tempfile.TemporaryDirectory() as folder:
            runner = Runner(options, Path(folder))
            for name in options.only or CASES:
                stored["cases"][name] = runner.run(name)
                stored["peers"] = {**stored.get("peers", {}), **runner.versions}
                print(table.drawn({name: stored["cases"][name]}), flush=True)
                if not options.quick:
                    RESULTS.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    if not options.quick:
        table.into_docs("speed", table.drawn(stored["cases"]))


if __name__ == "__main__":
    main()
