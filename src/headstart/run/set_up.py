"""The beginning of a run: every source opened and measured, the data read through the fastest of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import strategies, tasks
from headstart.core import environment, words
from headstart.core.backbone import Backbone
from headstart.core.broken import FULL, why
from headstart.core.budget import Budget
from headstart.core.budget import words as seconds_in_words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener
from headstart.core.experiment import Experiment
from headstart.core.features import FeatureSpec
from headstart.core.source import Source
from headstart.core.strategy import arm_name
from headstart.core.task import Task
from headstart.data import splits
from headstart.data.checks import duplicates, findings
from headstart.data.checks.duplicates import Pair
from headstart.data.checks.findings import held_out, text_checks
from headstart.errors import (
    BadOption,
    DataError,
    HeadstartError,
    RunError,
    SourceError,
    StoreError,
    UnknownName,
    WeightsMissing,
)
from headstart.passes import near_duplicates
from headstart.passes.engines import AUTO, EAGER
from headstart.planning import policy
from headstart.run.state import closing
from headstart.run.state.config import RunConfig
from headstart.run.state.context import Beside, Context, Timed
from headstart.run.state.folder import RunFolder, sound
from headstart.store.store import FeatureStore

MEMORY = 3
"""How often the weights of a source are in memory at the least: as read, in the network, in a copy of it."""
FINISH_SHARE = 0.12
"""Share of the budget kept back for training the winner on all rows, until it is known what that takes."""


def new_context(
    config: RunConfig,
    dataset: Dataset,
    task: Task,
    named: dict[str, Source],
    folder: RunFolder,
    listen: Listener,
    beside: Beside | None = None,
) -> Context:
    """The context with the store open; nothing is measured or loaded."""
    from headstart.passes.extractor import StoreExtractor  # and with it torch

    def tell(what: str, done: int, total: int) -> None:
        listen(Event("progress", {"arm": what, "what": f"pass {what}", "done": done, "total": total}))

    split = splits.make_split(dataset, seed=config.seed, by_domain=bool(config.split))
    extractor = StoreExtractor(FeatureStore.default(), dataset, progress=tell, engine=config.engine)
    return Context(
        experiment=Experiment(dataset, task, split, config.seed),
        extractor=Timed(extractor, beside),
        sources=named,
        folder=folder,
        listen=listen,
        settings=config.settings,
        download=config.download,
        reserve=FINISH_SHARE * config.budget,
        closing=closing.Closing(config.budget),
    )


def set_up(
    config: RunConfig, context: Context, data: dict[str, Any], budget: Budget
) -> tuple[RunConfig, Budget]:
    """Measure every source, read the data through the fastest, keep near-duplicates together; what was asked
    for with its budget in seconds.

    A source that breaks is left out, and `context.broken` says why. Raises what the last one raised when all
    of them do, and `BadOption` when even one pass does not fit the budget.
    """
    context.closing.warm(budget.left)
    start = time.monotonic()
    strategies.ready(context.dataset.modality)
    context.closing.startup += time.monotonic() - start
    measure(context)
    config, budget = timed(config, context, budget)
    if context.closing.started is not None and context.closing.standby is not None:
        context.closing.standby.start()  # by now it is known which libraries the sources need
    data["findings"] += lengths(context)
    pairs: list[Pair] | None = None
    if not context.sources:
        pairs = near_duplicates.without_source(context.dataset) or []
    while pairs is None:
        first = min(context.sources, key=lambda name: context.passes[name])
        with surviving(context, first):
            pairs = _first_pass(context, first, config, budget)
    keep_together(context, pairs, data["findings"])
    return config, budget


def timed(config: RunConfig, context: Context, budget: Budget) -> tuple[RunConfig, Budget]:
    """What was asked for with a budget in seconds, where it was given in passes."""
    config = config.measured(context.passes)
    context.reserve, context.closing.budget = FINISH_SHARE * config.budget, config.budget
    return config, replace(budget, seconds=config.budget)


def keep_together(context: Context, pairs: list[Pair], told: list[str]) -> None:
    """Split again so that no fold parts near-duplicates; tell of them, and of what can no longer be held out.

    `told` are the findings so far, in lines; the new ones are added. Raises `DataError` where nothing is left
    to hold out.
    """
    if not pairs:
        return
    groups = duplicates.duplicate_groups(context.dataset, pairs)
    by_domain = bool(context.split.domains)
    split = splits.make_split(context.dataset, seed=context.seed, groups=groups, by_domain=by_domain)
    context.experiment = replace(context.experiment, split=split, gains={})
    context.listen(Event("note", {"label": "", "text": duplicates_note(context.dataset, pairs, groups)}))
    told += findings.lines(duplicates.near_findings(context.dataset, pairs), "warning")
    for line in findings.lines([*held_out.findings(context.dataset, context.split)], "warning"):
        if line not in told:
            context.listen(Event("note", {"label": "data", "text": line}))
            told.append(line)


def duplicates_note(dataset: Dataset, pairs: list[tuple[int, int, float]], groups: np.ndarray) -> str:
    """What was done about items that look the same."""
    across = [
        (i, j)
        for i, j, _ in pairs
        if dataset.split is not None and (dataset.split[i] == "test") != (dataset.split[j] == "test")
    ]
    parted = duplicates.parted_pairs(pairs, groups)
    text = f"{words.count(len(pairs) - parted, 'pair')} of near-duplicates kept on one side of every fold"
    if parted:
        text += f", {parted} less sure ones not (chains of look-alikes would swallow whole classes)"
    if across:
        i, j = across[0]
        text += (
            f"; {len(across)} of them reach into the test part (HS402), such as {dataset.items[i].id} and "
            f"{dataset.items[j].id}: the test score is optimistic by that much"
        )
    return text


def _first_pass(context: Context, first: str, config: RunConfig, budget: Budget) -> list[Pair]:
    backbone = context.backbone(first)
    needed = context.passes[first] * context.extractor.missing(backbone, FeatureSpec(taps=backbone.taps()))
    left = budget.left + context.closing.startup
    if needed > max(left, policy.LEAST):  # what is nearly nothing is done, though there be no time at all
        spent = max(0.0, config.budget - left)
        raise BadOption(
            "--budget",
            seconds_in_words(config.budget),
            f"more than {seconds_in_words(spent + needed)} on this machine: {seconds_in_words(spent)} to "
            f"read the data and open the sources, {seconds_in_words(needed)} for one pass of {first}, "
            f"the fastest source, over {len(context.dataset):,} items",
        )
    before = context.extractor.seconds
    pairs = near_duplicates.find(
        backbone, context.dataset, context.extractor, inputs=_read_besides(context, config)
    )
    context.paid[first] = context.extractor.seconds - before
    context.read.add(first)
    return pairs


def _read_besides(context: Context, config: RunConfig) -> int | None:
    """The side of small pictures that an arm without a source will read; None where there is none."""
    allowed, form = config.allowed(), tasks.for_task(context.task).form
    sides = [
        one.plain
        for one in strategies.every()
        if one.knows(context.dataset.modality) and not form and (allowed is None or one.name in allowed)
    ]
    return max(sides, default=0) or None


@contextmanager
def surviving(context: Context, name: str) -> Iterator[None]:
    """What breaks a source ends that source only: it is left out of the run. Raised when it was the last one,
    and where it is no fault of the source: options, the data, a disk."""
    try:
        yield
    except (BadOption, UnknownName, DataError, StoreError, RunError, WeightsMissing):
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        reason = why(error)
        if len(context.sources) == 1:
            if isinstance(error, HeadstartError):
                raise
            remedy = "name another source" if not context.broken else "no source of this run could be used"
            raise SourceError(name, f"it broke ({reason})", remedy) from error
        context.broken[name] = reason
        context.sources = {other: source for other, source in context.sources.items() if other != name}


def lengths(context: Context) -> list[str]:
    """Items that are longer than a source reads, and words that it does not know, in lines; told as notes."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for name, source in context.sources.items():
        if source.input.max_length is None:
            continue
        contract = context.backbone(name).source.input
        key = (*contract.files().values(), contract.max_length)  # a pair has one tokenizer for both ways
        if key not in found:
            found[key] = findings.lines(text_checks.length_findings(context.dataset, contract), "warning")
            for line in found[key]:
                context.listen(Event("note", {"label": name, "text": line}))
    return [line for lines in found.values() for line in lines]


def measure(context: Context) -> None:
    """What a pass and each arm will take, from 32 items of each source; remembered in the run folder for this
    machine."""
    content, machine = context.folder.read(), environment.machine()
    known = content if content.get("measured_on") in (None, machine) else {}
    with sound(context.folder.path, "run.json", "choose another --out"):
        passes, arms = ({name: float(s) for name, s in known.get(part, {}).items() if s is not None}
                        for part in ("seconds_per_pass", "estimates"))  # fmt: skip
    if not passes:
        form = tasks.for_task(context.task).form
        strategies.check(context.settings, context.dataset.modality, lambda: _opened(context), form=form)
    engines = dict(known.get("engines") or {})
    for name in list(context.sources):
        with surviving(context, name):
            check_memory(context.sources[name])
            _choose_engine(context, name, engines)
            _measure_source(context, name, passes, arms)
    with sound(context.folder.path, "run.json", "choose another --out"):
        context.closing.again(dict(known.get("closing") or {}))
    context.estimates, context.passes = arms, passes
    measured = {"seconds_per_pass": passes, "estimates": arms, "measured_on": machine, "engines": engines}
    measured["closing"] = context.closing.measured()
    context.folder.write({**context.folder.read(), **measured})


def _opened(context: Context) -> Iterator[Backbone]:
    """The networks of the sources, one after the other."""
    for name in list(context.sources):
        with surviving(context, name):
            yield context.backbone(name)


def _choose_engine(context: Context, name: str, engines: dict[str, Any]) -> None:
    """What computes a source's passes: that of the run which goes on now, else found here; told where it is
    not the network as it is, or was asked for."""
    choice = context.extractor.choice(context.backbone(name), engines.get(name))
    if name not in engines and (choice.engine != EAGER or context.extractor.engine != AUTO):
        context.listen(Event("note", {"label": "engine", "text": f"{name}: {choice}"}))
    engines[name] = choice.to_json()
    context.slower[name] = choice.gain or 1.0


def check_memory(source: Source) -> None:
    """Raises `SourceError` for a source that does not fit into what is free."""
    needed, free = MEMORY * (source.size_bytes or 0), environment.free_memory()
    if needed > free:
        problem = f"it takes about {words.size(needed)} of memory, and {words.size(free)} are free"
        raise SourceError(source.name, problem, "name a smaller one")


def _measure_source(context: Context, name: str, passes: dict[str, float], arms: dict[str, float]) -> None:
    backbone = context.backbone(name)
    if name not in passes:
        passes[name] = context.extractor.measured(backbone)
    if not context.extractor.missing(backbone, FeatureSpec(taps=backbone.taps())):
        context.read.add(name)
    for one in strategies.every():
        if one.role == "ensemble" or not one.knows(
            context.dataset.modality, form=tasks.for_task(context.task).form
        ):
            continue  # an ensemble reads what others predicted
        source = name if one.needs_source else None
        arm = arm_name(one.name, source)
        if arm not in arms:
            # a random network has no engine that was tried, and no pass that was made
            slower = context.slower[name] if one.role == "random" else 1.0
            arms[arm] = context.estimate(one.name, source, slower * passes[name])
