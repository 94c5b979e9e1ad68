"""What a fit would do: its steps with their estimated time, after measuring 32 items of each source."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from headstart.core import environment
from headstart.core.budget import Budget
from headstart.core.events import Event, Listener
from headstart.run import ask as asking
from headstart.run import fit, near, opening, plan, record
from headstart.run.ask import Ask
from headstart.run.folder import RunFolder
from headstart.store.memo import Memo


def preview(ask: Ask, listen: Listener) -> dict[str, Any]:
    """{"data", "sources", "steps": [...], "skipped": [...], "seconds", "budget"}.

    Nothing is written but the features of the measured items; no run folder is made.
    """
    environment.check_alone("plan")
    budget = Budget(ask.budget)
    dataset, task, findings = asking.read(ask, Memo(), listen)
    named = asking.find_sources(ask, dataset)
    data = record.data_record(dataset, task, findings)
    listen(Event("data", data))
    listen(Event("sources", {"summary": record.source_summary(named, ask)}))
    with tempfile.TemporaryDirectory() as scratch, RunFolder(Path(scratch) / "plan") as folder:
        bench = fit.new_bench(ask, dataset, task, named, folder, listen)
        opening.keep_together(bench, near.without_source(dataset) or [], data["findings"])
        opening.measure(bench)
        steps, skipped = plan.outline(fit.state(bench, ask, {}, budget))
    return {
        "data": data,
        "sources": list(named),
        "steps": [vars(step) for step in steps],
        "skipped": [vars(s) for s in skipped],
        "seconds": sum(min(step.seconds, step.estimate or 0.0) for step in steps),
        "budget": ask.budget,
    }
