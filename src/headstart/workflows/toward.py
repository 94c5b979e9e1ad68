"""The second half of a `fit` with a target: the shift measured, and the model adapted if that would help."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.predict.predictor import Predictor
from headstart.run.state import resolve
from headstart.run.state.config import SOURCE_SHARE, RunConfig
from headstart.run.state.folder import read_finished
from headstart.store.memo import Memo
from headstart.workflows.adapt import Adaptation, Wanted, adapt
from headstart.workflows.inputs import domains
from headstart.workflows.shift import note, shift

LEAST = 1.0
"""Seconds: with none left, no adaptation is still assessed."""


def toward(
    folder: Path, target: Dataset, config: RunConfig, listen: Listener, opened: Callable[[Path], Predictor]
) -> Adaptation:
    """What `shift` and `adapt` do, of the finished run in `folder`, which is inside of that which is written.

    `config` is what was asked for, `opened` opens the shipped model of a run. The budget is what the run has
    left of the whole. Raises what `adapt` does.
    """
    place, answer = folder.parent, read_finished(folder)["answer"]
    labelled = None if config.from_path else resolve.read(replace(config, drop_bad=True), Memo(), ignore)[0]
    spent, started = float(answer["seconds"]), time.monotonic()
    asked = domains.Wanted(seed=config.seed, labelled=labelled, download=config.download)
    found = shift(folder, target, asked, listen, opened)
    listen(Event("note", {"label": "shift", "text": f"{found.kind}: {found.reason}"}))
    left = float(answer["budget"]) / SOURCE_SHARE - spent - (time.monotonic() - started)
    wanted = Wanted(
        place,
        max(LEAST, left),
        seed=config.seed,
        labelled=labelled,
        download=config.download,
        made_by=config.command(place) if config.from_path else "",
    )
    done = adapt(folder, opened(folder), target, wanted, listen)
    listen(Event("note", {"label": "transfer", "text": done.record["kind_of_transfer"]}))
    note(place, found, listen)
    return done
