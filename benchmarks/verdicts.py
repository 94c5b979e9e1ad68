"""Is the verdict right? Few labels are drawn, `fit` judges transfer by cross-validation, the test part tells.

    python benchmarks/verdicts.py --shared FOLDER [--draws 2] [--budget 40] [--set digits]

FOLDER holds `data/` and, for one ImageNet network, `weights/imagenet/`. For every image set, source, number of
labels a class and draw: one run with that source alone; then the arm that the verdict is about and every
baseline it was compared with are trained on all drawn items and meet the test part, which had no share in
anything before (rules are compared on many more draws, offline, in `claims.py`). "helps" is right when the arm beats every one of them there, "hurts" when a baseline that the
verdict says is better beats it. Finished cells are kept in the results file and not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _sets import IMAGENET, TARGETS, Target, draw
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.files import write_json
from headstart.core.strategy import Settings
from headstart.measure.intervals import wilson
from headstart.predict.evaluate import evaluate
from headstart.run import conclude, fit
from headstart.run.state.config import RunConfig

COUNTS = (5, 20, 100)
TESTS = 1000
RESULTS = Path(__file__).parent / "results" / "verdicts.json"
OUTCOMES = ("helps", "no evidence", "hurts", "not compared")


def told(result: fit.Result) -> dict[str, Any]:
    """What a run found, and what the test part says to it."""
    context, verdict = result.networks, result.answer.verdict
    trials = conclude.in_order(result.trials, context)
    test = context.dataset.subset(context.split.test)

    def tested(arm: str) -> float:
        model = conclude.trained_on_all(context, trials[arm], trials)
        return float(evaluate(model, test, seed=0).headline.value)

    found: dict[str, Any] = {
        "outcome": verdict.outcome,
        "arm": verdict.arm,
        "shipped": result.answer.winner,
        "n_test": len(test),
    }
    found["missing"] = list(verdict.missing)
    found["shipped_test"] = tested(result.answer.winner)
    found["test"] = tested(verdict.arm) if verdict.arm else None
    found["against"] = [
        {
            "arm": c.against,
            "gain": [c.gain.value, c.gain.low, c.gain.high],
            "n": c.gain.n,
            "test": tested(c.against),
        }
        for c in verdict.comparisons
    ]
    return found


def cell(target: Target, dataset: Dataset, source: str, seed: int, budget: float) -> dict[str, Any]:
    """One run and what the test part says to it."""
    with tempfile.TemporaryDirectory() as scratch:
        ask = RunConfig(
            dataset,
            sources=(source,),
            budget=budget,
            out=Path(scratch) / "run",
            seed=seed,
            settings=Settings(augment=target.augment),
        )
        start = time.perf_counter()
        with fit.fit(ask) as (_, result, _):
            assert result is not None
            found = told(result)
    return {**found, "seconds": time.perf_counter() - start}


def agrees(row: dict[str, Any]) -> bool | None:
    """Whether the test part agrees with a verdict that claims something; None where nothing is claimed."""
    gains = [(c["gain"], row["test"] - c["test"]) for c in row["against"]]
    if row["outcome"] == "helps":
        return all(on_test > 0 for _, on_test in gains)
    if row["outcome"] == "hurts":
        return all(on_test < 0 for (_, _, high), on_test in gains if high < 0)
    return None


def share(rows: Sequence[dict[str, Any]], outcome: str) -> str:
    """How many verdicts of a kind, and how many of them the test part agrees with."""
    told = [r for r in rows if r["outcome"] == outcome]
    judged = [agrees(r) for r in told]
    if not told or judged[0] is None:
        return str(len(told)) if told else "0"
    right = sum(bool(j) for j in judged)
    interval = wilson(right, len(told))
    return (
        f"{len(told)}: right {right} ({100 * right / len(told):.0f} % "
        f"[{100 * interval.low:.0f}, {100 * interval.high:.0f}])"
    )


def harmed(rows: Sequence[dict[str, Any]]) -> str:
    """How often the shipped model is behind the best baseline on the test part, beyond two standard errors."""
    worse = 0
    for r in rows:
        best = max((c["test"] for c in r["against"]), default=0.0)
        error = np.sqrt(max(best * (1 - best), 1e-4) / r["n_test"])
        worse += r["shipped_test"] < best - 2 * error
    return f"{worse} of {len(rows)}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table: by number of labels, by source, and all."""
    lines = [
        f"| runs | {' | '.join(OUTCOMES)} | shipped behind the best baseline |",
        "|---|" + "---|" * (len(OUTCOMES) + 1),
    ]
    parts = [(f"{n} a class", [r for r in rows if r["per_class"] == n]) for n in COUNTS]
    names = dict.fromkeys(r["source"] for r in rows)
    parts += [(name, [r for r in rows if r["source"] == name]) for name in names]
    parts += [(name, [r for r in rows if r["set"] == name]) for name in dict.fromkeys(r["set"] for r in rows)]
    for name, some in [*parts, ("all", list(rows))]:
        if some:
            cells = " | ".join(share(some, outcome) for outcome in OUTCOMES)
            lines.append(f"| {name} ({len(some)}) | {cells} | {harmed(some)} |")
    return "\n".join(lines)


def known_rows() -> list[dict[str, Any]]:
    """Cells that earlier runs finished."""
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    return rows


def save(rows: Sequence[dict[str, Any]], budget: float) -> None:
    """Write everything that is known."""
    RESULTS.parent.mkdir(exist_ok=True)
    versions, machine = environment.versions(), environment.machine()
    write_json(RESULTS, {"rows": list(rows), "budget": budget, "versions": versions, "machine": machine})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--set", action="append", dest="sets", choices=[t.name for t in TARGETS])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument(
        "--budget",
        type=float,
        default=40.0,
        help="seconds for a run with few labels; three times as many at 100 a class",
    )
    options = parser.parse_args()
    sources = {"strokes": "bundled/strokes", "textures": "bundled/textures"}
    imagenet = options.shared / "weights" / "imagenet" / IMAGENET
    if imagenet.exists():
        sources["MobileNetV1 0.25"] = f"file:{imagenet}"
    rows = known_rows()
    done = {(r["set"], r["source"], r["per_class"], r["seed"]) for r in rows}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(Path(scratch) / "cache")
        for seed in range(options.draws):
            for target in TARGETS:
                if options.sets and target.name not in options.sets:
                    continue
                items = target.read(options.shared / "data", Path(scratch))
                assert items.y is not None
                held = items.split == "test" if items.split is not None else np.zeros(len(items), bool)
                least = int(np.bincount(items.y[~held]).min())
                for count in (n for n in COUNTS if n <= least):
                    budget = options.budget * (1 + count / 50)
                    for name, spec in sources.items():
                        if (target.name, name, count, seed) in done:
                            continue
                        row = {"set": target.name, "source": name, "per_class": count, "seed": seed}
                        row |= cell(target, draw(items, count, seed, TESTS), spec, seed, budget)
                        rows.append(row)
                        save(rows, options.budget)
                        print(
                            f"{target.name} {count}/class {name}: {row['outcome']} {agrees(row)}", flush=True
                        )
    print(table(rows))


if __name__ == "__main__":
    main()
