"""Do steps take as long as they said? Predicted and taken seconds of every step of finished runs.

    python benchmarks/timing.py RUN [RUN ...]

What `run.json` of each run folder has under `ledger.steps` (arms) and `timing` (the rest). Steps of less than a second
by both numbers are left out, as are those that said nothing: a training that was cut off before its pace was measured.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

WITHIN = 0.3


def steps_of(run: Path) -> list[dict[str, Any]]:
    """{"step", "predicted", "took"} of a run."""
    record = json.loads((run / "run.json").read_text())
    arms = [{"step": step["arm"].rpartition(": ")[2], **step} for step in record["ledger"]["steps"]]
    found = [
        {key: step.get(key) for key in ("step", "predicted", "took")} for step in (*arms, *record["timing"])
    ]
    return [s for s in found if s["predicted"] and s["took"] and max(s["predicted"], s["took"]) >= 1.0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="+", type=Path, help="folders of finished runs")
    found = [step for run in parser.parse_args().run for step in steps_of(run)]
    print("| step | steps | within 30 % | took of predicted, each |\n|---|---|---|---|")
    groups = {step["step"]: [s for s in found if s["step"] == step["step"]] for step in found}
    for name, some in {**groups, "all": found}.items():
        ratios = sorted(s["took"] / s["predicted"] for s in some)
        good = sum(1 - WITHIN <= ratio <= 1 + WITHIN for ratio in ratios)
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios) if name != "all" else ""
        print(f"| {name} | {len(some)} | {good} ({100 * good / max(1, len(some)):.0f} %) | {each} |")


if __name__ == "__main__":
    main()
