"""Fit: from data and sources to a model with its verdict. The one place where rooms meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart.core import environment
from headstart.core.budget import Budget
from headstart.core.budget import words as seconds_in_words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.source import APART, Source
from headstart.core.strategy import Trial, arm_name
from headstart.core.task import CLASSIFICATION, Task
from headstart.data import splits
from headstart.run import ask as asking
from headstart.run import board, choose, closing, compare, finish, further, opening, plan, record, stack
from headstart.run.ask import Ask
from headstart.run.bench import Bench, Timed
from headstart.run.extract import make_extractor
from headstart.run.folder import RunFolder, default_folder
from headstart.run.ledger import Ledger
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore
from headstart.strategies import _ladder

FINISH_SHARE = 0.12
"""Share of the budget kept back for training the winner on all rows, until it is known what that takes."""
AGAIN = 1.4
"""Folds that training on all rows takes."""


@dataclass(frozen=True)
class Result:
    """What a run found. The model is not on disk yet: saving it is the caller's last step."""

    bench: Bench = field(repr=False)
    trials: dict[str, Trial] = field(repr=False)
    answer: finish.Answer
    record: dict[str, Any] = field(repr=False)
    """The content of run.json."""
    budget: Budget = Budget()
    """What is left of it is there for the page."""

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


def fit(
    ask: Ask,
    listen: Listener = ignore,
    conclude: Finisher | None = None,
    standby: closing.Standby | None = None,
) -> Path:
    """Run the whole plan within the budget, choose a model, and return the run folder.

    `conclude` saves and reports while the folder is still locked, with the help of `standby`. The budget
    begins here; only importing libraries and opening the first source are start-up, which is not on its
    account. Raises `HeadstartError` for
    every mistake in data, sources or options before anything is computed.
    """
    environment.check_alone("fit")
    budget = Budget(ask.budget)
    log = Log(listen)
    dataset, task, findings = asking.read(ask, Memo(), log)
    named = asking.find_sources(ask, dataset)
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
        bench = new_bench(ask, dataset, task, named, folder, log)
        bench.closing.standby = standby
        opening.set_up(ask, bench, data, budget)
        ledger = Ledger(folder, ask.budget, budget.start + bench.closing.startup)
        budget = ledger.budget
        trials, skipped = run_arms(bench, ask, ledger)
        answer = concluded(bench, trials)
        log(Event("leaderboard", board.as_json(answer.rows, task)))
        log(Event("verdict", {**answer.verdict.to_json(), "notes": finish.notes(answer, skipped)}))
        content = record.write_answer(bench, answer, skipped, data, budget)
        if conclude is not None:
            conclude(Result(bench, trials, answer, content, budget), log)
        spent = f"{seconds_in_words(budget.spent)} of {seconds_in_words(ask.budget)}"
        log(Event("done", {"summary": spent}))
    return path


def concluded(bench: Bench, trials: dict[str, Trial]) -> finish.Answer:
    """The answer. An arm that breaks when it is trained on all rows ends itself: the next best is shipped."""
    while True:
        try:
            return finish.conclude(bench, trials)
        except finish.NotTrained as error:
            name, reason = error.args
            broken, reason = trials[name], f"training on all rows broke it: {reason}"
            trials[name] = bench.failed(name, broken.strategy, broken.source, reason)
            bench.folder.save_trial(trials[name])
            tell_trial(bench, trials[name])


def new_bench(
    ask: Ask, dataset: Dataset, task: Task, named: dict[str, Source], folder: RunFolder, listen: Listener
) -> Bench:
    """The workbench with the store open; nothing is measured or loaded."""

    def tell(what: str, done: int, total: int) -> None:
        listen(Event("progress", {"arm": what, "what": f"pass {what}", "done": done, "total": total}))

    return Bench(
        dataset=dataset,
        task=task,
        split=splits.make_split(dataset, seed=ask.seed),
        extractor=Timed(make_extractor(FeatureStore.default(), dataset, progress=tell)),
        sources=named,
        folder=folder,
        listen=listen,
        seed=ask.seed,
        settings=ask.settings,
        download=ask.download,
        reserve=FINISH_SHARE * ask.budget,
        closing=closing.Closing(ask.budget),
    )


def run_arms(bench: Bench, ask: Ask, ledger: Ledger) -> tuple[dict[str, Trial], list[plan.Skipped]]:
    """Ask the plan for the next arm and run it, until the plan is at its end."""
    trials = kept_trials(bench, ask, ledger)
    for name, reason in bench.broken.items():
        arm = arm_name("probe", name)
        trials[arm] = bench.failed(arm, "probe", name, reason)
    for trial in trials.values():
        tell_trial(bench, trial, kept=trial.source not in bench.broken)
    known = state(bench, ask, trials, ledger.budget)
    bench.listen(Event("plan", record.plan_summary(known, ask)))
    if known.left < plan.LEAST and not trials:
        bench.listen(Event("note", {"label": "budget", "text": record.too_small(bench, ledger.budget)}))
    doubt = ""
    while True:
        bench.closing.warm(ledger.budget.left)
        known = replace(state(bench, ask, trials, ledger.budget), doubt=doubt)
        step = None if ledger.ended else further.next_step(known)
        if step is None and (doubt or ledger.ended):
            ledger.close()
            bench.closing.warm(0.0)
            return trials, plan.skipped(known)
        if step is not None:
            step = ledger.begin(step)
            bench.listen(Event("step", {"arm": step.arm, "seconds": step.seconds, "reason": step.reason}))
            began = time.monotonic()
            trial = run_step(bench, step, trials)
            bench.folder.save_trial(trial)
            trials[step.arm] = trial
            if stack.NAME in trials and stack.outdated(trials[stack.NAME], trials):
                del trials[stack.NAME]  # one of its members has more folds now
            ledger.end(time.monotonic() - began)
            tell_trial(bench, trial)
        if step is None or doubt:  # the plan is at its end: is an answer needed, or was one found?
            doubt = compare.verdict(finish.in_order(trials, bench), bench).outcome


def run_step(bench: Bench, step: plan.Step, trials: dict[str, Trial]) -> Trial:
    """Run one arm, or go on with it. One that only answers a bad verdict has the reason in its choices."""
    start = time.monotonic()
    if step.strategy == stack.NAME:
        known = finish.in_order(trials, bench)
        trial = stack.fit(bench, known, compare.TRANSFER, step.seconds + bench.reserve)
    else:
        trial = bench.run(step)
    if not step.folds:
        return replace(trial, choices={**trial.choices, "answers": step.reason}) if step.answer else trial
    before = trials[step.arm]
    seconds = before.cost.seconds + time.monotonic() - start
    if board.evaluated(trial).sum() <= board.evaluated(before).sum():
        # not one fold was added, or it broke: what there was stays, and it is not begun over and over
        cost = replace(before.cost, seconds=seconds)
        return replace(before, cost=cost, choices={**before.choices, "no_more": True})
    kept = {name: before.choices[name] for name in ("answers",) if name in before.choices}
    cost = replace(trial.cost, seconds=seconds)
    return replace(trial, cost=cost, choices={**trial.choices, **kept})


def kept_trials(bench: Bench, ask: Ask, ledger: Ledger) -> dict[str, Trial]:
    """Arms that need not be run again: all but those that broke, or that a smaller budget cut off or kept
    from all of their folds."""
    found = bench.folder.trials()
    if ledger.ended:
        if stack.NAME in found and stack.outdated(found[stack.NAME], found):
            del found[stack.NAME]
        return found
    more = ledger.earlier is None or ask.budget > ledger.earlier
    retry = {"failed", "cut off"} if more else {"failed"}
    kept = {name: trial for name, trial in found.items() if trial.status not in retry}
    if more and ledger.earlier is not None:
        whole = sum(fold.repeat == 0 for fold in bench.split.folds)
        for name in [n for n, t in kept.items() if t.choices.get("trained_folds", whole) < whole]:
            bench.folder.forget_plan(name)
            del kept[name]
    if stack.NAME in kept and stack.outdated(kept[stack.NAME], kept):
        del kept[stack.NAME]
    return kept


def state(bench: Bench, ask: Ask, trials: dict[str, Trial], budget: Budget) -> plan.Known:
    """What the plan may know at this moment."""
    outcomes = {name: outcome_of(trial, bench) for name, trial in trials.items()}
    specs = {source.spec for source in bench.sources.values()}
    candidates = tuple(
        plan.Candidate(
            name,
            classifies=bool(source.labels) and bench.task.kind == CLASSIFICATION,
            second_way=source.spec.removesuffix(f" {APART}") in specs - {source.spec},
        )
        for name, source in bench.sources.items()
    )
    tested = max(bench.passes.values()) * len(bench.split.test) / len(bench.dataset)
    left = budget.left - bench.closing.seconds() - tested
    probed = {t.source for t in trials.values() if t.strategy == "probe" and t.status == "done" and t.source}
    again = max((AGAIN * t.cost.fold for t in trials.values() if choose.heavy(t)), default=0.0)
    return plan.Known(
        candidates,
        left - bench.reserve,
        outcomes,
        bench.estimates,
        bench.passes,
        frozenset(bench.read | probed),
        ask.allowed(),
        bench.dataset.modality,
        bench.per_class,
        len(bench.split.development),
        spare=left - again,
        hangs=hanging(outcomes),
    )


def outcome_of(trial: Trial, bench: Bench) -> plan.Outcome:
    """A finished arm as the plan sees it."""
    split, known = bench.split, board.evaluated(trial)
    score = board.signed_score(trial, bench.dataset, bench.task)
    done = sum(fold.repeat < len(known) and bool(known[fold.repeat, fold.test].all()) for fold in split.folds)
    once = sum(fold.repeat == 0 for fold in split.folds)
    rungs: tuple[int, ...] = ()
    if done and trial.strategy != stack.NAME and "no_more" not in trial.choices:
        # what trains a trunk is held out once; a simple model goes on by whole repeats
        steps = _ladder.rungs(once) if choose.heavy(trial) else range(once, len(split.folds) + 1, once)
        rungs = tuple(sorted(rung for rung in steps if rung > done))
    one = trial.cost.fold or trial.cost.seconds / max(1, done)
    # what trains a trunk measures its pace and tries its rates but once
    begin = 0.0 if choose.heavy(trial) else max(0.0, trial.cost.seconds - one * done)
    return plan.Outcome(
        trial.strategy,
        trial.source,
        score,
        trial.choices.get("needs"),
        folds=done,
        rungs=rungs,
        fold=one,
        trains=choose.heavy(trial),
        begin=begin,
    )


def hanging(outcomes: Mapping[str, plan.Outcome]) -> tuple[str, ...]:
    """The arms on which the verdict, or what ships, hangs: the one with a source that scores best, and the
    same architecture from scratch."""
    scored = {
        arm: outcome.score
        for arm, outcome in outcomes.items()
        if outcome.strategy in compare.TRANSFER and outcome.score is not None
    }
    if not scored:
        return ()
    best = max(scored, key=lambda arm: scored[arm])
    scratch = arm_name("scratch", outcomes[best].source)
    return tuple(arm for arm in (scratch, best) if arm in outcomes and outcomes[arm].folds)


def tell_trial(bench: Bench, trial: Trial, *, kept: bool = False) -> None:
    """An arm's result as an event."""
    row = board.row(trial, bench.dataset, bench.task, groups=bench.split.groups, seed=bench.seed)
    bench.listen(Event("trial", {**row.to_json(), "metric": bench.task.metric, "kept": kept}))
