"""What a fit would do: its steps with their estimated time, after measuring 32 items of each source."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from headstart.core import environment
from headstart.core.budget import Budget
from headstart.core.events import Event, Listener
from headstart.passes import near_duplicates
from headstart.planning import policy
from headstart.run import fit, manifest, resolve, set_up
from headstart.run.config import RunConfig
from headstart.run.folder import RunFolder
from headstart.store.memo import Memo


def preview(config: RunConfig, listen: Listener) -> dict[str, Any]:
    """{"data", "sources", "steps": [...], "skipped": [...], "seconds", "budget"}.

    Nothing is written but the features of the measured items; no run folder is made.
    """
    environment.check_alone("plan")
    budget = Budget(config.budget)
    dataset, task, findings = resolve.read(config, Memo(), listen)
    named = resolve.find_sources(config, dataset)
    data = manifest.data_record(dataset, task, findings)
    listen(Event("data", data))
    listen(Event("sources", {"summary": manifest.source_summary(named, config)}))
    with tempfile.TemporaryDirectory() as scratch, RunFolder(Path(scratch) / "plan") as folder:
        context = fit.new_context(config, dataset, task, named, folder, listen)
        set_up.keep_together(context, near_duplicates.without_source(dataset) or [], data["findings"])
        set_up.measure(context)
        steps, skipped = policy.outline(fit.state(context, config, {}, budget))
    return {
        "data": data,
        "sources": list(named),
        "steps": [vars(step) for step in steps],
        "skipped": [vars(s) for s in skipped],
        "seconds": sum(min(step.seconds, step.estimate or 0.0) for step in steps),
        "budget": config.budget,
    }
