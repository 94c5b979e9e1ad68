"""What the plan may know of a run at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from headstart import sources, strategies, tasks
from headstart.core import words
from headstart.core.budget import Budget
from headstart.core.strategy import Trial, arm_name
from headstart.evidence import leaderboard, selection, verdict
from headstart.planning import seen
from headstart.planning.seen.race import Heat
from headstart.run import conclude
from headstart.run.state.config import RunConfig
from headstart.run.state.context import Context
from headstart.strategies import ensemble
from headstart.strategies.gradient import _ladder


def state(
    context: Context, config: RunConfig, trials: dict[str, Trial], budget: Budget, pace: float = 1.0
) -> seen.Known:
    """What the plan may know at this moment; `pace` is that of the ledger."""
    heats, trials = heats_of(trials, context), {n: conclude.whole(t) for n, t in trials.items()}
    lost = behind(trials, context) | {name for name, heat in heats.items() if heat.hopeless}
    outcomes = {
        n: replace(outcome_of(t, context), behind=n in lost, heat=heats.get(n)) for n, t in trials.items()
    }
    methods = tasks.for_task(context.task)
    specs = {source.spec for source in context.sources.values()}
    candidates = tuple(
        seen.Candidate(
            name,
            # the names of its classes may only be known once it is open: the arm says so where there are none
            classifies=bool(source.labels or source.architecture.get("num_classes"))
            and source.form == methods.form
            and (methods.exclusive or bool(methods.form)),
            writes=source.writes,
            second_way=sources.joint(source).spec in specs - {source.spec},
            left_out=context.left_out.get(name, ""),
        )
        for name, source in context.sources.items()
    )
    left = budget.left - context.closing.seconds() - pace * conclude.seconds_on_test(context)
    ranks = [t for t in trials.values() if strategies.facts(t.strategy).ranks and t.status == "done"]
    probed = {t.source for t in ranks if t.source}
    again = {
        name: conclude.refit_seconds(trial, trials)
        for name, trial in trials.items()
        if not (name in heats and name in lost)
    }
    return seen.Known(
        candidates,
        left - context.reserve,
        outcomes,
        {arm: pace * seconds for arm, seconds in context.estimates.items()},
        {name: pace * seconds for name, seconds in context.passes.items()},
        frozenset(context.read | probed),
        config.allowed(),
        config.quality,
        context.dataset.modality,
        per_class=selection.per_class(context.experiment),
        labelled=len(context.split.development),
        unlabelled=int((~context.dataset.labelled).sum()),
        form=tasks.for_task(context.task).form,
        spare=left - max(again.values(), default=0.0),
        settled=left - max((seconds for name, seconds in again.items() if name not in lost), default=0.0),
        hangs=hanging(outcomes),
        open=still_open(trials, outcomes, context),
        reached=reached(context, config, trials),
    )


def heats_of(trials: Mapping[str, Trial], context: Context) -> dict[str, Heat]:
    """How arms that race stand, against every arm that is held out from the same items."""
    found = {}
    for name, trial in trials.items():
        if "part" not in trial.choices or "no_more" in trial.choices:
            continue
        scores = [float(score) for _, score in trial.choices["heats"]]
        heat = Heat(float(trial.choices["part"]), scores[-1], scores[-2] if len(scores) > 1 else None)
        for other, rival in trials.items():
            gain = leaderboard.gain(trial, rival, context.experiment) if "part" not in rival.choices else None
            if gain is not None and gain.gain < (heat.gain if heat.against else float("inf")):
                high = float("inf") if gain.too_few else gain.high
                heat = replace(heat, against=other, gain=gain.gain, high=high)
        found[name] = heat
    return found


def behind(trials: Mapping[str, Trial], context: Context) -> set[str]:
    """The arms that train a trunk and are clearly worse than the best that does not, on the same items."""
    simple = [name for name, trial in trials.items() if not selection.heavy(trial)]
    best = selection.best(simple, trials, context.experiment)
    if best is None:
        return set()
    found = {
        name: leaderboard.gain(trial, trials[best], context.experiment, count=selection.ROUGH)
        for name, trial in trials.items()
        if selection.heavy(trial)
    }
    return {name for name, gain in found.items() if gain is not None and gain.high < 0 and not gain.too_few}


def reached(context: Context, config: RunConfig, trials: Mapping[str, Trial]) -> str:
    """That the arm which would ship is as good as was asked for; empty where it is not."""
    if config.until is None:
        return ""
    goal = config.until if context.task.higher_is_better else -config.until
    scores = {name: leaderboard.signed_score(trial, context.experiment) for name, trial in trials.items()}
    good = {name for name, score in scores.items() if score is not None and score >= goal}
    best = selection.winner(conclude.in_order(trials, context), context.experiment) if good else None
    if best not in good:
        return ""
    metric = context.task.metric
    value = words.value(metric, leaderboard.score(trials[best], context.experiment))
    return f"{best} has {value} {metric}, and {words.value(metric, config.until)} was asked for"


def outcome_of(trial: Trial, context: Context) -> seen.Outcome:
    """A finished arm as the plan sees it."""
    split, known = context.split, trial.covered
    score = leaderboard.signed_score(trial, context.experiment)
    done = sum(fold.repeat < len(known) and bool(known[fold.repeat, fold.test].all()) for fold in split.folds)
    once = sum(fold.repeat == 0 for fold in split.folds)
    rungs: tuple[int, ...] = ()
    again: tuple[int, ...] = ()
    begun = done or "part" in trial.choices
    if begun and trial.strategy != ensemble.NAME and "no_more" not in trial.choices:
        # what trains a trunk is held out once; a simple model goes on by whole repeats
        steps = _ladder.rungs(once) if selection.heavy(trial) else range(once, len(split.folds) + 1, once)
        rungs = tuple(sorted(rung for rung in steps if rung > done))
        if strategies.facts(trial.strategy).role == "scratch" and not rungs:
            again = tuple(range(done + once, len(split.folds) + 1, once))
    one = trial.cost.fold or trial.cost.seconds / max(1, done)
    # what trains a trunk measures its pace and tries its rates but once
    begin = 0.0 if selection.heavy(trial) else max(0.0, trial.cost.seconds - one * done)
    return seen.Outcome(
        trial.strategy,
        trial.source,
        score,
        trial.choices.get("needs"),
        folds=done,
        rungs=rungs,
        again=again,
        fold=one,
        trains=selection.heavy(trial),
        begin=begin,
    )


def still_open(
    trials: Mapping[str, Trial], outcomes: Mapping[str, seen.Outcome], context: Context
) -> tuple[str, ...]:
    """The arms from scratch of which more folds alone can make the verdict say that transfer helps: what they
    are compared with was held out as often."""
    most = max((outcomes[arm].folds for arm in hanging(outcomes)[-1:]), default=0)
    more = [
        arm
        for arm, outcome in outcomes.items()
        if strategies.facts(outcome.strategy).role == "scratch"
        and outcome.folds
        and (outcome.rungs or (outcome.again and outcome.again[0] <= most))
    ]
    found = verdict.hangs_on(conclude.in_order(trials, context), context.experiment) if more else []
    return tuple(found) if set(found) <= set(more) else ()


def hanging(outcomes: Mapping[str, seen.Outcome]) -> tuple[str, ...]:
    """The arms on which the verdict, or what ships, hangs: the one with a source that scores best, and the
    same architecture from scratch."""
    scored = {
        arm: outcome.score
        for arm, outcome in outcomes.items()
        if strategies.facts(outcome.strategy).transfers and outcome.score is not None
    }
    if not scored:
        return ()
    best = max(scored, key=lambda arm: scored[arm])
    scratch = (arm_name(one.name, outcomes[best].source) for one in strategies.every("scratch"))
    return tuple(arm for arm in (*scratch, best) if arm in outcomes and outcomes[arm].folds)
