"""Answers for up to a million items: seconds, and memory that does not grow with them; the same by workers.

    python benchmarks/bulk.py [--items 10000,100000,1000000] [--workers]

A table of made-up texts of eight words goes through `headstart predict --format parquet` with a probe of word vectors of 16
columns, which cost next to nothing: what is seen is Headstart itself. Each size is a process of its own with one thread; peak memory is that of
the process. `--workers` has the largest done again with `--on ray` (needs the extra `cluster`), and compares the answers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headstart.core import environment

RESULTS = Path(__file__).parent / "results" / "bulk.json"
COMMAND = [sys.executable, "-m", "headstart"]
VOCABULARY, WORDS, COLUMNS, LABELLED = 500, 8, 16, 400


def texts(count: int, seed: int) -> pl.DataFrame:
    numbers = np.random.default_rng(seed).integers(0, VOCABULARY, (count, WORDS))
    words = np.array([f"w{number}" for number in range(VOCABULARY)])
    return pl.DataFrame({"text": [" ".join(row) for row in words[numbers]], "label": numbers[:, 0] % 2})


def model(folder: Path) -> Path:
    rows = np.random.default_rng(0).normal(size=(VOCABULARY, COLUMNS))
    lines = [f"w{number} {' '.join(f'{value:.3f}' for value in row)}" for number, row in enumerate(rows)]
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n")
    texts(LABELLED, 1).write_csv(folder / "train.csv")
    found = folder / "run"
    of = ["--source", f"vectors:{folder}/vectors.txt", "--strategy", "probe", "--out", str(found), "--quiet"]
    # in a process of its own: one that is started is said to have had the memory of who started it
    subprocess.run([*COMMAND, "fit", str(folder / "train.csv"), *of], check=True)
    return found


def timed(*arguments: object) -> dict[str, float]:
    """Seconds on the clock and of the processor, and megabytes at the peak, of one command."""
    command = [*COMMAND, "predict", *map(str, arguments)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, process.stderr and process.stderr.read()
    return {
        "seconds": time.perf_counter() - start,
        "processor": used.ru_utime + used.ru_stime,
        "megabytes": used.ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", default="10000,100000,1000000")
    parser.add_argument("--workers", action="store_true")
    given = parser.parse_args()
    record: dict[str, Any] = {
        "machine": environment.machine(),
        "versions": environment.versions(),
        "sizes": {},
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ.setdefault("HEADSTART_CACHE", str(folder / "cache"))
        run = model(folder)
        for count in map(int, given.items.split(",")):
            table, answers = folder / f"{count}.csv", folder / f"answers-{count}"
            texts(count, 2).select("text").write_csv(table)
            found = timed(run, table, "--format", "parquet", "--output", answers)
            record["sizes"][count] = found
            print(f"{count:>9,} items: {found}", flush=True)
        if given.workers:
            shared = folder / "shared"
            record["workers"] = timed(run, table, "--format", "parquet", "--output", shared, "--on", "ray")
            same = pl.read_parquet(answers / "*.parquet").equals(pl.read_parquet(shared / "*.parquet"))
            record["workers"]["same"] = same
            print(f"with workers: {record['workers']}")
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
