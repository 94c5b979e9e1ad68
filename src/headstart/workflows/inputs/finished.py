"""The data of a finished run, and the source it is best read with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart import sources, strategies, tasks
from headstart.core.dataset import Dataset
from headstart.core.events import ignore
from headstart.core.predictions import Dense
from headstart.core.strategy import arm_name
from headstart.core.task import Task
from headstart.errors import BadOption, RunError
from headstart.passes.suited import suited
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig
from headstart.run.state.folder import load_trial, slug
from headstart.store.memo import Memo


def data_of(folder: Path, record: Mapping[str, Any], labelled: Any = None) -> Dataset:
    """The run's data, read as the run did, or `labelled` in its place. Raises `RunError` when it is gone."""
    said = record.get("task")
    tasks.measurable(None if said is None else Task.from_json(said), folder, "this command")
    data, origin = labelled, str(record.get("origin", ""))
    given = not record.get("from_path", True)  # what older versions did not say
    remedy = "say where it is now with --data (labelled= in Python)"
    if data is None and not (origin and Path(origin).exists()):
        called = "given in Python" if given or not origin else origin
        raise RunError(folder, f"its data ({called}) is not there any more", remedy)
    if isinstance(data, Dataset):
        return data
    if data is not None and not isinstance(data, str | Path):
        raise BadOption(
            "labelled", type(data).__name__, "a path, or what headstart.load(items, labels=...) gives"
        )
    config = RunConfig(
        origin if data is None else data, drop_bad=True, reading=dict(record.get("reading", {}))
    )
    dataset, _, _ = resolve.read(config, Memo(), ignore)
    if data is None and given and dataset.fingerprint != record["question"]["data"]:
        problem = f"its data was given in Python, and what is read from {origin} is not the same"
        raise RunError(folder, problem, remedy)
    return dataset


def best_source(
    folder: Path, record: Mapping[str, Any], known: Dataset, *, download: bool = False
) -> tuple[str, Any]:
    """(name, network) of the shipped arm's source, else of the best probe.

    Raises `SourceError` or `WeightsMissing` as `fit` does, and `RunError` for other weights than the run's.
    """
    rows = record["answer"]["rows"]  # best first
    shipped = [row["source"] for row in rows if row["shipped"] and row["source"]]
    ranks = strategies.ranking()
    probed = [row["source"] for row in rows if row["strategy"] == ranks and row["score"] is not None]
    specs = tuple(record["question"]["sources"])
    named = resolve.find_sources(RunConfig(None, sources=specs, download=download), known)
    name = next(iter([*shipped, *probed]), next(iter(named)))
    if name not in named:
        raise RunError(folder, f"its source {name} is not to be found", "run `headstart fit` again")
    backbone = suited(sources.load(named[name], download=download), known)
    trial = folder / "trials" / slug(arm_name(ranks, name)) / "trial.json"
    kind = Dense if known.task is None else tasks.for_task(known.task).predictions
    if trial.is_file() and load_trial(trial, kind).digest not in ("", backbone.digest):
        raise RunError(
            folder, f"the weights of {name} are not those it was made with", "run `headstart fit` again"
        )
    return name, backbone
