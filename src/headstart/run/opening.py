"""The beginning of a run: every source opened and measured, the data read through the fastest of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headstart import strategies
from headstart.core import environment
from headstart.core.budget import Budget
from headstart.core.budget import words as seconds_in_words
from headstart.core.events import Event
from headstart.core.features import FeatureSpec
from headstart.core.strategy import arm_name
from headstart.data import doctor, splits
from headstart.data.duplicates import Pair
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
from headstart.run import near, plan, record, stack
from headstart.run.ask import Ask
from headstart.run.bench import FULL, Bench, why
from headstart.run.extract import measure_pass
from headstart.run.folder import sound


def set_up(ask: Ask, bench: Bench, data: dict[str, Any], budget: Budget) -> Bench:
    """Measure every source, read the data through the fastest, keep near-duplicates together.

    A source that breaks is left out, and `bench.broken` says why. Raises what the last one raised when all of
    them do, and `BadOption` when even one pass does not fit the budget.
    """
    bench.closing.warm(budget.left)
    start = time.monotonic()
    strategies.ready(bench.dataset.modality)
    bench.closing.startup = time.monotonic() - start
    measure(bench)
    if bench.closing.started is not None and bench.closing.standby is not None:
        bench.closing.standby.start()  # by now it is known which libraries the sources need
    data["findings"] += lengths(bench)
    pairs: list[Pair] | None = None
    while pairs is None:
        first = min(bench.sources, key=lambda name: bench.passes[name])
        with surviving(bench, first):
            pairs = _first_pass(bench, first, ask, budget)
    keep_together(bench, pairs, data["findings"])
    return bench


def keep_together(bench: Bench, pairs: list[Pair], told: list[str]) -> None:
    """Split anew so that no fold parts near-duplicates; tell of them, and of what can no longer be held out.

    `told` are the findings so far, in lines; the new ones are added. Raises `DataError` where nothing is left
    to hold out.
    """
    if not pairs:
        return
    groups = doctor.duplicate_groups(bench.dataset, pairs)
    bench.split = splits.make_split(bench.dataset, seed=bench.seed, groups=groups)
    bench.listen(Event("note", {"label": "", "text": record.duplicates_note(bench.dataset, pairs, groups)}))
    told += doctor.lines(doctor.near_findings(bench.dataset, pairs), "warning")
    for line in doctor.lines([*doctor.held_out_findings(bench.dataset, bench.split)], "warning"):
        if line not in told:
            bench.listen(Event("note", {"label": "data", "text": line}))
            told.append(line)


def _first_pass(bench: Bench, first: str, ask: Ask, budget: Budget) -> list[Pair]:
    backbone = bench.backbone(first)
    assert backbone is not None
    needed = bench.passes[first] * bench.extractor.missing(backbone, FeatureSpec(taps=backbone.taps()))
    left = budget.left + bench.closing.startup
    if needed > max(left, plan.LEAST):  # what is nearly nothing is done, though there be no time at all
        spent = max(0.0, ask.budget - left)
        raise BadOption(
            "--budget",
            seconds_in_words(ask.budget),
            f"more than {seconds_in_words(spent + needed)} on this machine: {seconds_in_words(spent)} to "
            f"read the data and open the sources, {seconds_in_words(needed)} for one pass of {first}, "
            f"the fastest source, over {len(bench.dataset):,} items",
        )
    before = bench.extractor.seconds
    pairs = near.find(backbone, bench.dataset, bench.extractor)
    bench.paid[first] = bench.extractor.seconds - before
    bench.read.add(first)
    return pairs


@contextmanager
def surviving(bench: Bench, name: str) -> Iterator[None]:
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
        if len(bench.sources) == 1:
            if isinstance(error, HeadstartError):
                raise
            remedy = "name another source" if not bench.broken else "no source of this run could be used"
            raise SourceError(name, f"it broke ({reason})", remedy) from error
        bench.broken[name] = reason
        bench.sources = {other: source for other, source in bench.sources.items() if other != name}


def lengths(bench: Bench) -> list[str]:
    """Texts that are longer than a source reads, and words that it does not know, in lines; told as notes."""
    found: dict[str, list[str]] = {}
    for name in bench.sources if bench.dataset.modality == "text" else ():
        backbone = bench.backbone(name)
        assert backbone is not None
        contract = backbone.source.text_input
        key = (
            f"{contract.digest} {contract.max_length}"  # a pair is read with the same tokenizer in both ways
        )
        if key not in found:
            found[key] = doctor.lines(doctor.length_findings(bench.dataset, contract), "warning")
            for line in found[key]:
                bench.listen(Event("note", {"label": name, "text": line}))
    return [line for lines in found.values() for line in lines]


def measure(bench: Bench) -> None:
    """What a pass and each arm will take, from 32 items of each source; remembered in the run folder for this
    machine."""
    content, machine = bench.folder.read(), environment.machine()
    known = content if content.get("measured_on") in (None, machine) else {}
    with sound(bench.folder.path, "run.json", "choose another --out"):
        passes, arms = ({name: float(s) for name, s in known.get(part, {}).items() if s is not None}
                        for part in ("seconds_per_pass", "estimates"))  # fmt: skip
    for name in list(bench.sources):
        with surviving(bench, name):
            bench.backbone(name)
    if not passes:
        networks = (backbone for name in bench.sources if (backbone := bench.backbone(name)) is not None)
        strategies.check(bench.settings, networks)
    for name in list(bench.sources):
        with surviving(bench, name):
            _measure_source(bench, name, passes, arms)
    bench.estimates, bench.passes = arms, passes
    measured = {"seconds_per_pass": passes, "estimates": arms, "measured_on": machine}
    bench.folder.write({**bench.folder.read(), **measured})


def _measure_source(bench: Bench, name: str, passes: dict[str, float], arms: dict[str, float]) -> None:
    backbone = bench.backbone(name)
    assert backbone is not None
    if name not in passes:
        passes[name] = measure_pass(backbone, bench.dataset)
    if not bench.extractor.missing(backbone, FeatureSpec(taps=backbone.taps())):
        bench.read.add(name)
    for strategy in plan.strategies_of(bench.dataset.modality):
        if strategy == stack.NAME:  # it reads what others predicted
            continue
        source = None if strategy in plan.BASELINES else name
        arm = arm_name(strategy, source)
        if arm not in arms:
            arms[arm] = bench.estimate(strategy, source, passes[name])
