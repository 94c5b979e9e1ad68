"""Fit: from data and sources to a model with its verdict. The one place where rooms meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart import strategies
from headstart.core.budget import Budget
from headstart.core.budget import words as seconds_in_words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.features import FeatureSpec
from headstart.core.source import APART, Source
from headstart.core.strategy import Trial, arm_name
from headstart.core.task import CLASSIFICATION, Task
from headstart.data import doctor, splits
from headstart.errors import BadOption
from headstart.run import ask as asking
from headstart.run import board, compare, finish, near, plan, record, stack
from headstart.run.ask import Ask
from headstart.run.bench import Bench, Timed
from headstart.run.extract import make_extractor, measure_pass
from headstart.run.folder import RunFolder, default_folder
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore

FINISH_SECONDS = 12.0
"""Kept back for saving, re-opening in a fresh process, the insight and writing the report. Measured on a busy
machine: 7 s with 7,000 pictures, of which the insight takes 4."""
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
        bench = set_up(ask, new_bench(ask, dataset, task, named, folder, log), data, budget)
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
        download=asking.downloads_allowed(ask),
        reserve=FINISH_SHARE * ask.budget,
    )


def set_up(ask: Ask, bench: Bench, data: dict[str, Any], budget: Budget) -> Bench:
    """Measure every source, read the data through the fastest, keep near-duplicates together.

    Raises `BadOption` when even that one pass does not fit the budget.
    """
    measure(bench)
    data["findings"] += lengths(bench)
    first = min(bench.sources, key=lambda name: bench.passes[name])
    backbone = bench.backbone(first)
    assert backbone is not None
    needed = bench.passes[first] * bench.extractor.missing(backbone, FeatureSpec(taps=backbone.taps()))
    if needed > budget.left:
        spent = max(0.0, ask.budget - budget.left)
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
    if pairs:
        groups = doctor.duplicate_groups(bench.dataset, pairs)
        bench.split = splits.make_split(bench.dataset, seed=ask.seed, groups=groups)
        bench.listen(
            Event("note", {"label": "", "text": record.duplicates_note(bench.dataset, pairs, groups)})
        )
        data["findings"] += doctor.lines(doctor.near_findings(bench.dataset, pairs), "warning")
    return bench


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
    """What a pass and each arm will take, from 32 items of each source; remembered in the run folder."""
    content = bench.folder.read()
    passes, arms = dict(content.get("seconds_per_pass", {})), dict(content.get("estimates", {}))
    if not passes:
        networks = (backbone for name in bench.sources if (backbone := bench.backbone(name)) is not None)
        strategies.check(bench.settings, networks)
    for name in bench.sources:
        if name not in passes:
            backbone = bench.backbone(name)
            assert backbone is not None
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
    bench.estimates, bench.passes = arms, passes
    bench.folder.write({**content, "seconds_per_pass": passes, "estimates": arms})


def run_arms(bench: Bench, ask: Ask, budget: Budget) -> tuple[dict[str, Trial], list[plan.Skipped]]:
    """Ask the plan for the next arm and run it, until the plan is at its end."""
    trials = kept_trials(bench, ask)
    for trial in trials.values():
        tell_trial(bench, trial, kept=True)
    bench.listen(Event("plan", record.plan_summary(state(bench, ask, trials, budget), ask)))
    doubt = ""
    while True:
        known = replace(state(bench, ask, trials, budget), doubt=doubt)
        step = plan.next_step(known)
        if step is None and doubt:
            return trials, plan.skipped(known)
        if step is not None:
            bench.listen(Event("step", {"arm": step.arm, "seconds": step.seconds, "reason": step.reason}))
            trial = run_step(bench, step, trials)
            bench.folder.save_trial(trial)
            trials[step.arm] = trial
            tell_trial(bench, trial)
        if step is None or doubt:  # the plan is at its end: is an answer needed, or was one found?
            doubt = compare.verdict(finish.in_order(trials, bench), bench).outcome


def run_step(bench: Bench, step: plan.Step, trials: dict[str, Trial]) -> Trial:
    """Run one arm. One that only answers a bad verdict carries the reason in its choices."""
    if step.strategy == stack.NAME:
        known = finish.in_order(trials, bench)
        trial = stack.fit(bench, known, compare.TRANSFER, step.seconds + bench.reserve)
    else:
        trial = bench.run(step)
    return replace(trial, choices={**trial.choices, "answers": step.reason}) if step.answer else trial


def kept_trials(bench: Bench, ask: Ask) -> dict[str, Trial]:
    """Arms that need not be run again: all but those that broke, or that a smaller budget cut off or kept
    from all of their folds."""
    concluded = bench.folder.read().get("answer", {}).get("budget")
    retry = {"failed"} if concluded is not None and ask.budget <= concluded else {"failed", "cut off"}
    kept = {name: trial for name, trial in bench.folder.trials().items() if trial.status not in retry}
    if concluded is not None and ask.budget > concluded:
        whole = sum(fold.repeat == 0 for fold in bench.split.folds)
        for name in [n for n, t in kept.items() if t.choices.get("trained_folds", whole) < whole]:
            bench.folder.forget_plan(name)
            del kept[name]
    if stack.NAME in kept and stack.outdated(kept[stack.NAME], kept):
        del kept[stack.NAME]
    return kept


def state(bench: Bench, ask: Ask, trials: dict[str, Trial], budget: Budget) -> plan.Known:
    """What the plan may know at this moment."""
    outcomes = {
        name: plan.Outcome(
            trial.strategy,
            trial.source,
            board.signed_score(trial, bench.dataset, bench.task),
            trial.choices.get("needs"),
        )
        for name, trial in trials.items()
    }
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
    reserve = min(FINISH_SECONDS, 0.3 * ask.budget) + bench.reserve + tested
    probed = {t.source for t in trials.values() if t.strategy == "probe" and t.status == "done" and t.source}
    return plan.Known(
        candidates,
        budget.left - reserve,
        outcomes,
        bench.estimates,
        bench.passes,
        frozenset(bench.read | probed),
        ask.allowed(),
        bench.dataset.modality,
        bench.per_class,
        len(bench.split.development),
    )


def tell_trial(bench: Bench, trial: Trial, *, kept: bool = False) -> None:
    """An arm's result as an event."""
    row = board.row(trial, bench.dataset, bench.task, groups=bench.split.groups, seed=bench.seed)
    bench.listen(Event("trial", {**row.to_json(), "metric": bench.task.metric, "kept": kept}))
