"""The end of a run: choose, judge, train the winner on everything, touch the test part once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from headstart import modalities, strategies, tasks
from headstart.core import environment, words
from headstart.core.broken import why
from headstart.core.dataset import Dataset
from headstart.core.evidence import Cost, Evidence, Verdict
from headstart.core.experiment import Experiment
from headstart.core.model import Model
from headstart.core.strategy import FromStore, Trial, arm_name
from headstart.data import splits
from headstart.data.checks.findings.held_out import Coverage
from headstart.errors import DataError, RunError, StoreError
from headstart.evidence import domains, leaderboard, selection
from headstart.evidence.follow_ups import note, response
from headstart.evidence.unlabelled import brought, panel
from headstart.evidence.verdict import verdict_of
from headstart.measure import threads
from headstart.planning import policy
from headstart.planning.seen import Skipped
from headstart.predict import selective
from headstart.predict.again import READ_AGAIN, Again, read_again
from headstart.predict.evaluate import Evaluation, align, alike, evaluate, judged
from headstart.predict.retained import Retained, retained
from headstart.run.state.context import Context
from headstart.strategies import ensemble
from headstart.tasks.base import Confidence, Places, Says

AGAIN = 1.2
"""Folds kept back for training on all rows: as many steps, or closed forms of a quarter more rows. It took
0.97 of a fold with fine-tuning on a busy machine."""


@dataclass(frozen=True)
class Answer:
    """What the run found."""

    rows: list[leaderboard.Row]
    verdict: Verdict
    winner: str
    model: Model
    test: Evidence | None
    test_metrics: dict[str, Any]
    again: Again | None = None
    """Items of the test part for the proof, where it was answered by what is stored."""
    response: list[dict[str, Any]] = field(default_factory=list)
    """What was tried because the verdict was bad: {"step", "arm", "text"}."""
    domains: dict[str, Any] | None = None
    """What `by_domain` makes."""
    unlabelled: list[dict[str, Any]] = field(default_factory=list)
    """What `evidence.unlabelled.panel` makes."""
    retained: list[dict[str, Any]] = field(default_factory=list)
    """What `predict.retained` finds of arms that would ship."""


class Forgets(Exception):
    """The arm that was to be shipped has lost too much of what its source could do: its `Retained`."""


class NotTrained(Exception):
    """The arm that was to be shipped broke when it was trained on all rows: its name, and the reason."""


def conclude(context: Context, trials: Mapping[str, Trial]) -> Answer:
    """Choose, judge, refit, and measure on the test part if there is one. Raises `NotTrained`, `Forgets` and
    `RunError`."""
    trials = in_order(trials, context)
    verdict = verdict_of(trials, context.experiment)
    if told := brought(trials, context.experiment):
        verdict = replace(verdict, notes=(*verdict.notes, told))
    eligible = {name: trial for name, trial in trials.items() if name not in context.forgot}
    chosen = selection.winner(eligible, context.experiment)
    if chosen is None:
        raise RunError(context.folder.path, "no arm has a result", "see events.jsonl there for the reasons")
    winner = trials[chosen]
    rows = selection.rows(trials, context.experiment, winner.arm)
    held_out = by_domain(context, trials, winner)
    if held_out is not None:
        verdict = replace(verdict, notes=(*verdict.notes, held_out["sentence"]))
    context.progress(winner.arm)("training on all rows", 0, 1)
    try:
        with context.timed("training on all rows", refit_seconds(winner, trials) / AGAIN):
            model = trained_on_all(context, winner, trials)
    except (RunError, DataError, StoreError):
        raise
    except BaseException as error:
        raise NotTrained(winner.arm, why(error, context.folder.path)) from error
    kept, said = what_is_retained(context, winner, model, trials)
    forgot = [found.sentence for found in context.forgot.values()]
    verdict = replace(verdict, notes=(*verdict.notes, *forgot, *said))
    again = selection.winner_again(winner.arm, eligible, context.experiment)
    model = replace(model, evidence=evidence(context, again, rows, verdict))
    if isinstance(tasks.for_task(context.task), Confidence):
        model = calibrated(model, winner, context)
    test, metrics, known = None, {}, None
    if len(context.split.test):
        with context.timed("test part", seconds_on_test(context, winner)):
            outcome, known = on_test(context, winner, model)
        test, metrics = outcome.headline, outcome.to_json()
        if known is not None:
            metrics["stored"] = known.to_json()
        same = alike(context.task, context.experiment.targets[context.split.test])
        verdict = replace(verdict, notes=(*verdict.notes, *(f"In the test part {text}." for text in same)))
        model = replace(model, evidence={**model.evidence, "test": test.to_json()})
    answers = response(trials, context.experiment)
    three = panel(trials, context.experiment)
    retained_by = [found.to_json() for found in (*context.forgot.values(), *kept)]
    return Answer(
        rows, verdict, winner.arm, model, test, metrics, known, answers, held_out, three, retained_by
    )


def what_is_retained(
    context: Context, winner: Trial, model: Model, trials: Mapping[str, Trial]
) -> tuple[list[Retained], list[str]]:
    """What the model still knows of what its source could do, and what is told of that. Raises `Forgets`."""
    facts, source = strategies.facts(winner.strategy), winner.source
    if not (facts.role == "transfer" and facts.trains) or source is None:
        return [], []  # nothing of a source was trained
    if context.retain is None:
        told = (
            f"What {winner.arm} has forgotten of all that {source} could do before was not measured, and may "
            "be much: --retain DATA holds it against items of another kind."
        )
        return [], [told] if facts.writes and isinstance(tasks.for_task(context.task), Says) else []
    as_it_is = [
        trial
        for trial in trials.values()
        if trial.source == source and strategies.facts(trial.strategy).as_it_is and trial.covered.any()
    ]
    if not as_it_is:
        told = f"{source} as it is was no arm of this run that answers"
        return [], [f"What {winner.arm} has forgotten was not measured (--retain): {told}."]
    with context.timed("what is retained", 0.0):
        untouched = trained_on_all(context, as_it_is[0], trials)
        found = retained(winner.arm, source, model, untouched, context.retain, context.seed)
    if not found.kept:
        raise Forgets(found)
    return [found], [found.sentence]


def by_domain(context: Context, trials: Mapping[str, Trial], winner: Trial) -> dict[str, Any] | None:
    """What run.json says of domains that were held out; None where folds are not by domain.

    What a domain not seen costs is measured of the probe of the arm's source, which is fitted again over
    ordinary folds: what their training parts have beside is other items of the same domain.
    """
    split = context.split
    if not split.domains:
        return None
    rows = domains.held_out(winner, context.experiment)
    names = [
        arm_name(strategies.ranking(), name) for name in dict.fromkeys((winner.source, *context.sources))
    ]
    scores = {
        name: score
        for name in names
        if name in trials
        and (score := leaderboard.signed_score(trials[name], context.experiment)) is not None
    }
    found = names[0] if names[0] in scores else max(scores, key=lambda name: scores[name], default=None)
    if found is not None:
        probe = trials[found]
        ordinary = splits.make_split(context.dataset, seed=context.seed, groups=split.groups)
        ordinary = replace(ordinary, folds=tuple(fold for fold in ordinary.folds if fold.repeat == 0))
        with context.timed("the probe over ordinary folds", probe.cost.seconds):
            request = replace(context.request(found, probe.source, float("inf")), split=ordinary)
            seen = strategies.get(probe.strategy, context.task).fit(request)
        other = Experiment(context.dataset, context.task, ordinary, context.seed)
        costs = domains.drops(probe, seen, context.experiment, other)
        rows = [{**row, **cost} for row, cost in zip(rows, costs, strict=True)]
    told, sentence = domains.outcome(rows, context.task.metric)
    return {
        "arm": winner.arm, "probe": found, "rows": rows, "outcome": told, "sentence": sentence,
        "kind_of_transfer": domains.TRANSFER,
    }  # fmt: skip


def refit_seconds(trial: Trial, trials: Mapping[str, Trial]) -> float:
    """What training an arm on all rows takes; of an average all of its members are."""
    members = [trials[name] for name in trial.choices.get("members", ()) if name in trials]
    return AGAIN * trial.cost.fold + sum(refit_seconds(member, trials) for member in members)


def on_test(context: Context, winner: Trial, model: Model) -> tuple[Evaluation, Again | None]:
    """What the model is worth on the test part, and the items that prove it; None where all were read."""
    dataset = context.dataset.subset(context.split.test)
    strategy = strategies.get(winner.strategy, context.task)
    if isinstance(strategy, FromStore):
        start = time.perf_counter()
        request = context.request(winner.arm, winner.source, float("inf"))
        rows = np.flatnonzero(dataset.labelled)
        answers = strategy.stored_answers(request, model, context.split.test[rows])
        again, unread = read_again(model, [dataset.items[row] for row in rows], answers)
        if again is not None:
            found = judged(
                model,
                dataset,
                rows,
                answers.astype(np.float64),
                align(dataset, model.task),
                seed=context.seed,
                cost=Cost(0.0, time.perf_counter() - start),
                unread=unread,
            )
            return found, again
    return evaluate(model, dataset, seed=context.seed), None


def seconds_on_test(context: Context, winner: Trial | None = None) -> float:
    """What the test part takes: the model that ships reads it without an engine, or only some of it where the
    winner answers by what is stored."""
    stored = winner and isinstance(strategies.get(winner.strategy, context.task), FromStore)
    count = min(len(context.split.test), READ_AGAIN if stored else len(context.dataset))
    passes = (
        seconds * context.slower.get(name, 1.0)
        for name, seconds in context.passes.items()
        if name not in context.left_out
    )
    return max(passes, default=0.0) * count / len(context.dataset)


def trained_on_all(context: Context, winner: Trial, trials: Mapping[str, Trial]) -> Model:
    """The winner on all development rows, with the choices of its trial."""
    source = winner.source if winner.strategy != ensemble.NAME else None
    request = context.request(winner.arm, source, float("inf"))
    peers = context.peers(winner.choices.get("members", ()), trials)
    request = replace(request, workdir=context.folder.workdir(winner.arm), peers=peers)
    with threads.suited_to(len(context.split.development)):
        return as_read(strategies.get(winner.strategy, context.task).refit(request, winner), context.dataset)


def as_read(model: Model, dataset: Dataset) -> Model:
    """The model, which reads pictures of more than 8 bits as those of the data were read."""
    if dataset.levels is None:
        return model
    return replace(model, input=model.input.with_levels(dataset.levels))


def calibrated(model: Model, winner: Trial, context: Context) -> Model:
    """The model with its temperature, and with what label sets, abstaining and adapting need in its evidence.

    Both come from the items held out in the first repeat.
    """
    rows = np.flatnonzero(winner.covered[0])
    p, y = winner.predictions.take(0, rows), context.experiment.targets[rows]
    methods = tasks.for_task(context.task)
    temperature = methods.temperature(y, p)
    found: dict[str, Any] = {"temperature": temperature}
    if methods.exclusive:
        found["held_out"] = selective.held_out(y, methods.softened(p, temperature))
        shares = np.bincount(y, minlength=context.task.outputs) / len(y)
        found["frequencies"] = [round(float(share), 6) for share in shares]
    tensors = {**model.tensors, "temperature": np.array([temperature], np.float32)}
    return replace(model, tensors=tensors, evidence={**model.evidence, **found})


def in_order(trials: Mapping[str, Trial], context: Context) -> dict[str, Trial]:
    """Arms in the plan's order, whether they ran just now or were read from the run folder: ties go by it.
    Those whose first fold is not trained to the end have no predictions yet."""
    place = {name: number for number, name in enumerate(context.sources)}
    known = list(strategies.STRATEGIES)
    order = sorted(
        trials.values(), key=lambda t: (known.index(t.strategy), place.get(t.source or "", -1), t.arm)
    )
    return {trial.arm: whole(trial) for trial in order}


def whole(trial: Trial) -> Trial:
    """The trial without what a part of a training has predicted: nobody gets a model of that."""
    if "part" not in trial.choices:
        return trial
    return replace(trial, predictions=trial.predictions.hide(np.ones_like(trial.covered)))


def notes(answer: Answer, skipped: list[Skipped]) -> list[str]:
    """What belongs under the verdict: the test part, and what was not tried."""
    out = [*answer.verdict.notes, _although(answer), _again(answer), _weighted(answer.model)]
    out.append(note(answer.response, answer.winner))
    if answer.test is not None:
        test = answer.test
        units = "groups of test items" if test.unit == "groups" else "test items"
        out.append(
            f"On the {test.n:,} {units}, touched once: {test.metric} "
            f"{words.estimate(test.metric, test.value, test.low, test.high)} with {answer.winner}."
        )
    return [text for text in (*out, policy.untried(skipped)) if text]


def _weighted(model: Model) -> str:
    """What probabilities mean where rare classes were given the weight of common ones; else empty."""
    task = model.task
    if tasks.for_task(task).weights(task, np.zeros(1, np.int64)) is None:
        return ""
    return (
        f"Judged by {task.metric}, models are fitted with every class as heavy as every other: what is rare "
        "is said more often, and with higher probability, than it occurs."
    )


def _although(answer: Answer) -> str:
    """Why an arm ships that is behind in a comparison of the verdict; else empty."""
    forgot = {found["arm"] for found in answer.retained if not found["kept"]}  # told by themselves
    behind = [
        (abs(c.gain.value), c.against if answer.winner == c.arm else c.arm, c.gain.n)
        for c in answer.verdict.comparisons
        if (answer.winner == c.arm and c.gain.value < 0) or (answer.winner == c.against and c.gain.value > 0)
        if not forgot & {c.arm, c.against}
    ]
    if not behind:
        return ""
    _, other, items = max(behind)
    return (
        f"{answer.winner} ships although {other} is ahead on the {items:,} items held out from both: not by "
        "more than one may be by luck, and then what is simpler, or has a source, is preferred."
    )


def _again(answer: Answer) -> str:
    """What the score of the arm that ships is over, where the verdict gives others of it; else empty."""
    chosen = answer.model.evidence.get("chosen") if answer.winner == answer.verdict.arm else None
    if not chosen or not answer.verdict.comparisons:
        return ""
    metric = answer.verdict.comparisons[0].gain.metric
    value = words.value(metric, chosen["value"])
    if value in " ".join([answer.verdict.sentence, *answer.verdict.notes]):
        return ""
    return (
        f"{value} {metric} is what {answer.winner} has on all {chosen['n']:,} items held out from it, with "
        "the choice among all arms repeated in every fold."
    )


def evidence(
    context: Context, winner: Trial, rows: list[leaderboard.Row], verdict: Verdict
) -> dict[str, Any]:
    """What travels with the model: how good it is, how that is known, and how to make it again.

    `winner` is the shipped arm as `selection.nested` gives it: "chosen" is its score when the choice among
    all arms is repeated in every fold, "cross_validated" that of the arm by itself.
    """
    row = next(r for r in rows if r.arm == winner.arm)
    lacking = Coverage.of(context.dataset, context.split).to_json()
    again = leaderboard.row(winner, context.experiment)
    methods, y = tasks.for_task(context.task), context.dataset.targets
    known = np.flatnonzero(context.dataset.labelled)
    extent = {"extent": list(methods.usual(y[known]))} if isinstance(methods, Places) else {}
    return {
        "arm": winner.arm,
        "choices": dict(winner.choices),
        "metric": context.task.metric,
        "cross_validated": {"value": row.score, "low": row.low, "high": row.high, "n": row.n},
        "chosen": {"value": again.score, "low": again.low, "high": again.high, "n": again.n},
        **({"never_held_out": lacking} if lacking else {}),
        "verdict": {"outcome": verdict.outcome, "sentence": verdict.sentence},
        "data": {
            "name": context.dataset.name,
            "fingerprint": context.dataset.fingerprint,
            "learnt": context.dataset.subset(context.split.development).fingerprint,
            "items": len(context.dataset),
            "pairs": context.dataset.pairs,
            **extent,
        },
        "split": context.split.to_json(),
        "seed": context.seed,
        "settings": {k: v for k, v in asdict(context.settings).items() if v is not None},
        "versions": environment.versions(),
    }


PROBES = 4


def probes(model: Model, *, pairs: bool) -> np.ndarray:
    """A small prepared batch, to prove that a copy of the model is the model. It is made up: a model that is
    given away gives nobody's data away with it."""
    return modalities.get(model.input.modality).dummy_batch(model.input, PROBES, pairs=pairs)
