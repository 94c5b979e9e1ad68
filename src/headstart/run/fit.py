"""Fit: from data and sources to a model with its verdict. The one place where rooms meet."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import strategies, tasks
from headstart.core import environment, fingerprint, words
from headstart.core.budget import Budget
from headstart.core.cells import Cells
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.experiment import Experiment
from headstart.core.strategy import Peer, Trial, arm_name
from headstart.errors import RunError
from headstart.evidence import leaderboard, selection, verdict
from headstart.passes import near_duplicates, spread
from headstart.planning import more_folds, policy, seen
from headstart.run import conclude, manifest, search, set_up
from headstart.run.known import state
from headstart.run.state import closing, resolve
from headstart.run.state.config import RunConfig, absolute
from headstart.run.state.context import Context
from headstart.run.state.folder import SOURCE, RunFolder, default_folder
from headstart.run.state.ledger import Ledger
from headstart.store.memo import Memo
from headstart.strategies import ensemble


@dataclass(frozen=True)
class Result:
    """What a run found. The model is not on disk yet: saving it is the caller's last step."""

    experiment: Experiment = field(repr=False)
    networks: Context = field(repr=False)
    """Its sources, and what is stored of them."""
    trials: dict[str, Trial] = field(repr=False)
    answer: conclude.Answer
    record: dict[str, Any] = field(repr=False)
    """The content of run.json."""
    folder: RunFolder = field(repr=False)
    listen: Listener = field(repr=False)
    budget: Budget
    """What is left of it is there for the page."""
    slower: Callable[[], float] = field(repr=False)
    """How much slower the machine is now than at the start."""

    def said(self, row: int) -> Any:
        """The map, the boxes or the text that the arm which ships said of a row it was held out from; None
        where it gives none."""
        predictions = self.trials[self.answer.winner].predictions
        if not isinstance(predictions, Cells):
            return None
        repeats = np.flatnonzero(predictions.covered[:, row])
        return predictions.cells[int(repeats[0]), row] if len(repeats) else None


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


@contextmanager
def fit(
    config: RunConfig, listen: Listener = ignore, standby: closing.Standby | None = None
) -> Iterator[tuple[Path, Result | None, Dataset | None]]:
    """Run the whole plan within the budget and choose a model: (run folder, what was found, the target).

    Where there is a target domain, the folder is `SOURCE` in the one that was asked for, and the budget is
    `with_target`: what is left is for who adapts the model to the target.

    The folder is locked until the block ends: what belongs into it besides is written there, with the help of
    `standby`. None was found where the folder holds the answer already. The budget begins here; only
    importing libraries and opening the first source are start-up, which is not on its account.

    Raises `HeadstartError` for every mistake in data, sources or options before anything is computed.
    """
    environment.check_alone("fit")
    budget = Budget(config.budget)
    log = Log(listen)
    with environment.Ahead() as ahead:
        dataset, task, findings, target = resolve.with_target(config, Memo(), log, ahead.begin)
    if target is not None:
        config = config.with_target()
        budget = replace(budget, seconds=config.budget)
    found, away = resolve.expanded(config, dataset.modality)
    named = resolve.find_sources(found, dataset, needed=False)
    asked = resolve.question(config, dataset, named)
    path = place(config, dataset.name, asked, within=() if target is None else (SOURCE,))
    data = manifest.data_record(dataset, task, findings)
    with ExitStack() as stack, RunFolder(path) as folder:
        resumed = folder.begin(asked)
        log.attach(folder)
        for event in manifest.beginning(data, manifest.source_summary(named, config), away):
            log(event)
        if resumed:
            text = f"{path} has been here before: finished steps cost nothing"
            log(Event("note", {"label": "resume", "text": text}))
        if resumed and manifest.finished(folder, config):
            manifest.retell(folder, log)
            yield path, None, target
            return
        helped = stack.enter_context(helpers(config, log)) if config.on else None
        context = set_up.new_context(config, dataset, task, named, folder, log, helped)
        context.retain = resolve.retained(config, dataset, task)
        context.asked = fingerprint.of_json([asked, config.time, config.aim])
        context.closing.standby, context.closing.startup = standby, ahead.seconds
        config, budget = set_up.set_up(config, context, data, budget)
        search.shorten(config, context, budget)
        ledger = Ledger(folder, config.budget, budget.start + context.closing.startup, aim=config.aim)
        trials, skipped = run_arms(context, config, ledger)
        budget = ledger.budget  # with what a step had done that a kill cut short
        answer = concluded(context, trials)
        log(Event("leaderboard", leaderboard.as_json(answer.rows, task)))
        if answer.domains is not None:
            log(Event("domains", {**answer.domains, "metric": task.metric}))
        log(Event("verdict", {**answer.verdict.to_json(), "notes": conclude.notes(answer, skipped)}))
        content = manifest.write_answer(context, answer, skipped, data, budget, config)
        result = Result(
            context.experiment, context, trials, answer, content, folder, log, budget, context.closing.slower
        )  # fmt: skip
        yield path, result, target
        log(Event("done", {"summary": manifest.time_summary(content, budget, context.closing.startup)}))


@contextmanager
def helpers(config: RunConfig, listen: Listener) -> Iterator[spread.Spread]:
    """Who shares the passes of a run that asks for workers; told."""
    data = absolute(str(config.data))
    with spread.workers(config.on, data, config.written(), config.seed) as found:
        text = f"{words.count(found.workers.count, 'core')} of {config.on} can share the passes"
        listen(Event("note", {"label": "cluster", "text": text}))
        yield found


def place(config: RunConfig, name: str, asked: Mapping[str, Any], *, within: tuple[str, ...]) -> Path:
    """The run's folder: `within` that which was asked for, or that goes by the name of the data.

    Raises `RunError` where something else is there that would have to hold it.
    """
    path = default_folder(name, asked, Path("runs"), within) if config.out is None else config.out
    if within and "adapts" not in RunFolder(path).read().get("question", {"adapts": ""}):
        raise RunError(path, "there is a run without a target in it", "choose another --out")
    return path.joinpath(*within)


def preview(config: RunConfig, listen: Listener) -> dict[str, Any]:
    """{"data", "sources", "steps": [...], "skipped": [...], "seconds", "budget"}.

    Nothing is written but the features of the measured items; no run folder is made.
    """
    environment.check_alone("plan")
    budget = Budget(config.budget)
    with environment.Ahead() as ahead:
        dataset, task, findings, target = resolve.with_target(config, Memo(), listen, ahead.begin)
    if target is not None:
        config = config.with_target()
        budget = replace(budget, seconds=config.budget)
    named = resolve.find_sources(resolve.expanded(config, dataset.modality)[0], dataset, needed=False)
    data = manifest.data_record(dataset, task, findings)
    listen(Event("data", data))
    listen(Event("sources", {"summary": manifest.source_summary(named, config)}))
    with tempfile.TemporaryDirectory() as scratch, RunFolder(Path(scratch) / "plan") as folder:
        context = set_up.new_context(config, dataset, task, named, folder, listen)
        set_up.keep_together(context, near_duplicates.without_source(dataset) or [], data["findings"])
        set_up.measure(context)
        config, budget = set_up.timed(config, context, budget)
        searching = search.assumed(config, context)
        steps, skipped = policy.outline(state(context, config, {}, budget))
    return {
        "data": data,
        "sources": list(named),
        "steps": [vars(step) for step in steps],
        "skipped": [vars(s) for s in skipped],
        "seconds": searching + sum(min(step.seconds, step.estimate or 0.0) for step in steps),
        "budget": config.budget,
    }


def concluded(context: Context, trials: dict[str, Trial]) -> conclude.Answer:
    """The answer. An arm that breaks when it is trained on all rows, or has forgotten too much, ends itself:
    the next best is shipped."""
    while True:
        try:
            return conclude.conclude(context, trials)
        except conclude.Forgets as error:
            found = context.forgot[error.args[0].arm] = error.args[0]
            context.listen(Event("note", {"label": "retain", "text": found.sentence}))
        except conclude.NotTrained as error:
            name, reason = error.args
            broken, reason = trials[name], f"training on all rows broke it: {reason}"
            trials[name] = context.failed(name, broken.strategy, broken.source, reason)
            context.folder.save_trial(trials[name])
            tell_trial(context, trials[name])


def run_arms(
    context: Context, config: RunConfig, ledger: Ledger
) -> tuple[dict[str, Trial], list[seen.Skipped]]:
    """Ask the plan for the next arm and run it, until the plan is at its end."""
    trials = kept_trials(context, config, ledger)
    for name, reason in context.broken.items():
        arm = arm_name(strategies.ranking(), name)
        trials[arm] = context.failed(arm, strategies.ranking(), name, reason)
    for trial in trials.values():
        tell_trial(context, trial, kept=trial.source not in context.broken)
    known = state(context, config, trials, ledger.budget)
    context.listen(Event("plan", manifest.plan_summary(known, config)))
    if known.left < policy.LEAST and not trials:
        context.listen(Event("note", {"label": "budget", "text": manifest.too_small(context, ledger.budget)}))
    doubt = ""
    while True:
        known = replace(state(context, config, trials, ledger.budget, ledger.pace), doubt=doubt)
        if context.closing.started is None:
            steps, _ = policy.outline(known)
            expected = sum(step.seconds if step.estimate is None else step.estimate for step in steps)
            context.closing.warm(min(ledger.budget.left, expected))
        tell_first_verdict(context, trials, known, ledger)
        tell_races(context, known)
        step = None if ledger.ended else more_folds.next_step(known)
        if step is None and (doubt or ledger.ended):
            ledger.close()
            context.closing.warm(0.0)
            return told_of_races(context, trials, known), policy.skipped(known)
        if step is not None:
            step = ledger.begin(step)
            context.listen(Event("step", {**vars(step), "predicted": step.predicted}))
            began, before = time.monotonic(), trials.get(step.arm)
            trial = run_step(context, step, trials)
            context.folder.save_trial(trial)
            trials[step.arm] = trial
            drop_outdated(trials)
            worth = trial.cost.seconds - (before.cost.seconds if before else 0.0)
            ledger.end(time.monotonic() - began, worth, context.expected)
            if "part" not in trial.choices:
                tell_trial(context, trial)
        if step is None or doubt:  # the plan is at its end: is an answer needed, or was one found?
            doubt = verdict.verdict_of(conclude.in_order(trials, context), context.experiment).outcome


def tell_first_verdict(
    context: Context, trials: Mapping[str, Trial], known: seen.Known, ledger: Ledger
) -> None:
    """Tell the verdict so far once in a run, as soon as there is one, and write it down."""
    content = context.folder.read()
    if "first_verdict" in content or not policy.opened(known):
        return
    found = verdict.verdict_of(conclude.in_order(trials, context), context.experiment)
    seconds = ledger.budget.spent + context.closing.startup
    first = {"seconds": seconds, "outcome": found.outcome, "sentence": found.sentence}
    context.listen(Event("first_verdict", first))
    context.folder.write({**content, "first_verdict": first})


def tell_races(context: Context, known: seen.Known) -> None:
    """Tell where arms that race stand, and which are dropped, each once in a run; kept in its folder."""
    content = context.folder.read()
    kept = list(content.get("race", ()))
    told = {(entry["arm"], entry["part"], entry["dropped"]) for entry in kept}
    found = []
    for arm, outcome in known.outcomes.items():
        heat = outcome.heat
        if heat is None or (arm, heat.part, heat.hopeless) in told:
            continue
        numbers = {**vars(heat), "rise": heat.rise, "reach": heat.reach}
        known_of = {key: None if value == float("inf") else value for key, value in numbers.items()}
        entry = {"arm": arm, **known_of, "dropped": heat.hopeless}
        found.append({**entry, "summary": f"{arm}: {manifest.heat_summary(context, heat)}"})
        context.listen(Event("race", found[-1]))
    if found:
        context.folder.write({**content, "race": [*kept, *found]})


def told_of_races(context: Context, trials: Mapping[str, Trial], known: seen.Known) -> dict[str, Trial]:
    """The arms as others may see them: one whose first fold was not trained to the end has no predictions,
    and says why in its reason."""
    found = {}
    for name, trial in trials.items():
        heat = known.outcomes[name].heat
        reason = trial.reason if heat is None else manifest.heat_summary(context, heat, ended=True)
        found[name] = replace(conclude.whole(trial), reason=reason)
    return found


def run_step(context: Context, step: seen.Step, trials: dict[str, Trial]) -> Trial:
    """Run one arm, or go on with it. One that only answers a bad verdict has the reason in its choices."""
    start = time.monotonic()
    trial = context.run(step, peers(context, step, trials))
    before = trials.get(step.arm)
    if "part" in trial.choices:
        heats = [] if before is None else before.choices.get("heats", [])
        score = leaderboard.signed_score(trial, context.experiment)
        trial = replace(trial, choices={**trial.choices, "heats": [*heats, [step.part, score]]})
    if before is None or not (step.folds or step.part):
        return replace(trial, choices={**trial.choices, "answers": step.reason}) if step.answer else trial
    seconds = before.cost.seconds + time.monotonic() - start
    racing = "part" in before.choices
    if trial.covered.sum() <= before.covered.sum() and not (racing and trial.covered.any()):
        # not one fold was added, or it broke: what there was stays, and it is not begun over and over
        cost = replace(before.cost, seconds=seconds)
        return replace(before, cost=cost, choices={**before.choices, "no_more": True})
    kept = {name: before.choices[name] for name in ("answers",) if name in before.choices}
    # of a fold that went on from its checkpoint only the last part was measured
    cost = replace(
        trial.cost, seconds=seconds, fold=max(trial.cost.fold, before.cost.fold if racing else 0.0)
    )
    return replace(trial, cost=cost, choices={**trial.choices, **kept})


def peers(context: Context, step: seen.Step, trials: Mapping[str, Trial]) -> tuple[Peer, ...]:
    """The arms that a strategy builds on. Of an ensemble the best with a source, and the same architecture
    from scratch, without the second where there is none; of what learns from items without a label, the
    same source's probe."""
    one, found = strategies.facts(step.strategy), conclude.in_order(trials, context)
    if one.unlabelled:
        alone = arm_name(strategies.ranking(), step.source)
        return context.peers([alone] if alone in found and found[alone].covered.any() else [], found)
    if one.role != "ensemble":
        return ()
    transfer = [name for name, trial in found.items() if verdict.transfers(trial)]
    ours = selection.best(transfer, found, context.experiment)
    if ours is None:
        return ()
    twins = [n for n, t in found.items() if selection.role(t) == "scratch" and t.source == found[ours].source]
    theirs = selection.best(twins, found, context.experiment)
    return context.peers([name for name in (ours, theirs) if name is not None], found)


def kept_trials(context: Context, config: RunConfig, ledger: Ledger) -> dict[str, Trial]:
    """Arms that need not be run again: all but those that broke, or that a smaller budget cut off or kept
    from all of their folds."""
    found = context.folder.trials(tasks.for_task(context.task).predictions)
    content, prints = context.folder.read(), context.split.fingerprint()
    if (
        content.get("folds", prints) != prints
    ):  # what was held out from other items stands in no ranking with it
        found, ledger.ended = {}, False
        text = "the folds are not those of before, so every arm is made again"
        context.listen(Event("note", {"label": "resume", "text": text}))
    context.folder.write({**content, "folds": prints})
    if ledger.ended:
        drop_outdated(found)
        return found
    more = ledger.earlier is None or config.budget > ledger.earlier
    retry = {"failed", "cut off"} if more else {"failed"}
    kept = {name: trial for name, trial in found.items() if trial.status not in retry}
    if more and ledger.earlier is not None:
        whole = sum(fold.repeat == 0 for fold in context.split.folds)
        for name in [n for n, t in kept.items() if t.choices.get("trained_folds", whole) < whole]:
            # it settles again on what fits its time; finished folds stay
            (context.folder.workdir(name) / "plan.json").unlink(missing_ok=True)
            del kept[name]
    drop_outdated(kept)
    return kept


def drop_outdated(trials: dict[str, Trial]) -> None:
    """Take out an average one of whose members has more folds by now."""
    if ensemble.NAME in trials and ensemble.outdated(trials[ensemble.NAME], trials):
        del trials[ensemble.NAME]


def tell_trial(context: Context, trial: Trial, *, kept: bool = False) -> None:
    """An arm's result as an event."""
    row = leaderboard.row(trial, context.experiment)
    context.listen(Event("trial", {**row.to_json(), "metric": context.task.metric, "kept": kept}))
