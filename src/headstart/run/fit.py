"""Fit: from data and sources to a model with its verdict. The one place where rooms meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import strategies
from headstart.core.backbone import Tap
from headstart.core.budget import Budget
from headstart.core.budget import words as seconds_in_words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.features import FeatureSpec
from headstart.core.source import Source
from headstart.core.strategy import Trial, arm_name
from headstart.core.task import CLASSIFICATION, Task
from headstart.data import doctor, splits
from headstart.modalities.image import open_image
from headstart.run import ask as asking
from headstart.run import board, finish, plan, record
from headstart.run.ask import Ask
from headstart.run.bench import Bench, Timed
from headstart.run.extract import make_extractor, measure_pass
from headstart.run.folder import RunFolder, default_folder
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore

FINISH_SECONDS = 12.0
"""Kept back for saving, re-opening in a fresh process and writing the report."""
LEAST_SIDE = 16
"""Pixels on the shorter side under which near-duplicates are not looked for: two digits of 8 x 8
pixels by one hand are as alike as a picture and its copy."""
FINISH_SHARE = 0.12
"""Share of the budget kept back for training the winner on all rows."""


@dataclass(frozen=True)
class Result:
    """What a run found. The model is not on disk yet: saving it is the caller's last step."""

    bench: Bench = field(repr=False)
    trials: dict[str, Trial] = field(repr=False)
    answer: finish.Answer
    record: dict[str, Any] = field(repr=False)
    """The content of run.json."""

    @property
    def folder(self) -> Path:
        return self.bench.folder.path


class Log:
    """Passes events on to the listener and, once there is one, to the run folder."""

    def __init__(self, listen: Listener) -> None:
        self._listen = listen
        self._early: list[Event] = []
        self._folder: RunFolder | None = None

    def __call__(self, event: Event) -> None:
        self._listen(event)
        if self._folder is not None:
            self._folder.event(event)
        elif event.kind != "progress":
            self._early.append(event)

    def attach(self, folder: RunFolder) -> None:
        self._folder = folder
        for event in self._early:
            folder.event(event)
        self._early.clear()


Finisher = Callable[[Result, Listener], None]


def fit(ask: Ask, listen: Listener = ignore, conclude: Finisher | None = None) -> Path:
    """Run the whole plan within the budget, choose a model, and return the run folder.

    `conclude` saves and reports while the folder is still locked. Raises `HeadstartError` for every
    mistake in data, sources or options before anything is computed.
    """
    budget = Budget(ask.budget)
    log = Log(listen)
    dataset, task, findings = asking.read(ask, Memo(), log)
    named = asking.find_sources(ask)
    asked = asking.question(ask, dataset, named)
    path = ask.out or default_folder(dataset.name, asked, Path("runs"))
    data = record.data_record(dataset, task, findings)
    with RunFolder(path) as folder:
        resumed = folder.begin(asked)
        log.attach(folder)
        log(Event("data", data))
        log(Event("sources", {"summary": record.source_summary(named, ask)}))
        if resumed:
            text = f"{path} has been here before: finished steps cost nothing"
            log(Event("note", {"label": "resume", "text": text}))
        if resumed and record.finished(folder, ask):
            record.retell(folder, log)
            return path
        bench = set_up(ask, dataset, task, named, folder, log)
        trials, skipped = run_arms(bench, ask, budget)
        answer = finish.conclude(bench, trials)
        log(Event("leaderboard", board.as_json(answer.rows, task)))
        log(Event("verdict", {**answer.verdict.to_json(), "notes": finish.notes(answer, skipped)}))
        content = record.write_answer(bench, answer, skipped, data, budget)
        if conclude is not None:
            conclude(Result(bench, trials, answer, content), log)
        spent = f"{seconds_in_words(budget.spent)} of {seconds_in_words(ask.budget)}"
        log(Event("done", {"summary": spent}))
    return path


def set_up(
    ask: Ask, dataset: Dataset, task: Task, named: dict[str, Source], folder: RunFolder, log: Log
) -> Bench:
    """Open the store, read the data through the first source, group near-duplicates, split."""
    first = next(iter(named))

    def tell(what: str, done: int, total: int) -> None:
        log(Event("progress", {"arm": what, "what": f"pass {what}", "done": done, "total": total}))

    bench = Bench(
        dataset=dataset,
        task=task,
        split=splits.make_split(dataset, seed=ask.seed),
        extractor=Timed(make_extractor(FeatureStore.default(), dataset, progress=tell)),
        sources=named,
        folder=folder,
        listen=log,
        seed=ask.seed,
        settings=ask.settings,
        download=asking.downloads_allowed(ask),
    )
    measure(bench)
    backbone = bench.backbone(first)
    assert backbone is not None
    embedding = Tap(backbone.stages[-1].name, 1)
    features = bench.extractor(backbone, FeatureSpec(taps=backbone.taps()))
    if not large_enough(dataset):
        return bench
    every = features.tap(embedding)[np.arange(len(dataset))]
    pairs = doctor.near_duplicates(every.astype(np.float32))
    if pairs:
        groups = doctor.duplicate_groups(dataset, pairs)
        bench.split = splits.make_split(dataset, seed=ask.seed, groups=groups)
        log(Event("note", {"label": "", "text": record.duplicates_note(dataset, pairs)}))
    return bench


def large_enough(dataset: Dataset) -> bool:
    """Whether the pictures hold enough to tell a copy from a look-alike, from 32 of them."""
    some = np.linspace(0, len(dataset) - 1, min(32, len(dataset))).astype(np.int64)
    sides = [min(open_image(dataset.items[row].read()).size) for row in some]
    return float(np.median(sides)) >= LEAST_SIDE


def measure(bench: Bench) -> None:
    """What a pass and each arm will take, from 32 items of each source; remembered in the run folder."""
    content = bench.folder.read()
    passes, arms = dict(content.get("seconds_per_pass", {})), dict(content.get("estimates", {}))
    if not passes:
        networks = (backbone for name in bench.sources if (backbone := bench.backbone(name)) is not None)
        strategies.check(bench.settings, networks)
    for name in bench.sources:
        if name not in passes:
            passes[name] = measure_pass(bench.backbone(name), bench.dataset)
        for strategy in plan.ALL:
            source = None if strategy in plan.BASELINES else name
            arm = arm_name(strategy, source)
            if arm not in arms:
                arms[arm] = bench.estimate(strategy, source, passes[name])
    bench.estimates = arms
    bench.folder.write({**content, "seconds_per_pass": passes, "estimates": arms})


def run_arms(bench: Bench, ask: Ask, budget: Budget) -> tuple[dict[str, Trial], list[plan.Skipped]]:
    """Ask the plan for the next arm and run it, until the plan is at its end."""
    trials = kept_trials(bench, ask)
    for trial in trials.values():
        tell_trial(bench, trial, kept=True)
    told = False
    while True:
        known = state(bench, ask, trials, budget)
        if not told:
            bench.listen(Event("plan", record.plan_summary(known, ask)))
            told = True
        step = plan.next_step(known)
        if step is None:
            return trials, plan.skipped(known)
        bench.listen(Event("step", {"arm": step.arm, "seconds": step.seconds, "reason": step.reason}))
        trial = bench.run(step, trials)
        bench.folder.save_trial(trial)
        trials[step.arm] = trial
        tell_trial(bench, trial)


def kept_trials(bench: Bench, ask: Ask) -> dict[str, Trial]:
    """Arms that need not be run again: all but those a smaller budget cut off."""
    concluded = bench.folder.read().get("answer", {}).get("budget")
    retry = concluded is None or ask.budget > concluded
    return {name: t for name, t in bench.folder.trials().items() if t.status != "cut off" or not retry}


def state(bench: Bench, ask: Ask, trials: dict[str, Trial], budget: Budget) -> plan.Known:
    """What the plan may know at this moment."""
    outcomes = {
        name: plan.Outcome(trial.strategy, trial.source, board.signed_score(trial, bench.dataset, bench.task))
        for name, trial in trials.items()
    }
    candidates = tuple(
        plan.Candidate(name, classifies=bool(source.labels) and bench.task.kind == CLASSIFICATION)
        for name, source in bench.sources.items()
    )
    reserve = min(FINISH_SECONDS, 0.3 * ask.budget) + FINISH_SHARE * ask.budget
    return plan.Known(candidates, budget.left - reserve, outcomes, bench.estimates, ask.allowed())


def tell_trial(bench: Bench, trial: Trial, *, kept: bool = False) -> None:
    """An arm's result as an event."""
    row = board.row(trial, bench.dataset, bench.task, seed=bench.seed)
    bench.listen(Event("trial", {**row.to_json(), "metric": bench.task.metric, "kept": kept}))
