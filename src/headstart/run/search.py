"""Which sources are probed, where many are named: those that a pass over some of the items speaks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headstart import strategies
from headstart.core import words
from headstart.core.budget import Budget
from headstart.core.events import Event
from headstart.data import splits
from headstart.planning import seen, shortlist
from headstart.planning.shortlist import KEPT, Ranked
from headstart.ranking.evaluation import MOST, Evaluation, looked_at
from headstart.ranking.scoring import Scored
from headstart.ranking.standing import Standing, known_before
from headstart.run.set_up import surviving
from headstart.run.state.config import RunConfig
from headstart.run.state.context import Context
from headstart.run.state.folder import sound

NOT_AMONG = "not among those that are probed, {kept} of {all} sources ranked on some of the items"


def shorten(config: RunConfig, context: Context, budget: Budget) -> None:
    """Rank the sources on some of the items, and leave out all but the few that are worth a probe.

    Those come first in `context.sources` then; where there are no more, nothing is done. A source that breaks
    ends itself alone. What was decided is kept in the run folder.
    """
    if not _needed(config, context):
        return
    content = context.folder.read()
    if "search" not in content:
        context.folder.write({**content, "search": _searched(context, budget)})
        content = context.folder.read()
    with sound(context.folder.path, "run.json", "choose another --out"):
        found = content["search"]
        kept = [name for name in found["kept"] if name in context.sources]
        context.left_out = {name: str(reason) for name, reason in found["left_out"].items()}
        summary = str(found["summary"])
    rest = [name for name in context.sources if name not in kept]
    context.sources = {name: context.sources[name] for name in (*kept, *rest)}
    context.listen(Event("search", {"summary": summary, "kept": kept, "left_out": context.left_out}))


def assumed(config: RunConfig, context: Context) -> float:
    """Seconds that the search may take, twice its first round. Before it the first sources are taken for the
    best."""
    if not _needed(config, context):
        return 0.0
    reason = NOT_AMONG.format(kept=KEPT, all=len(context.sources))
    context.left_out = dict.fromkeys(list(context.sources)[KEPT:], reason)
    first = min(shortlist.least(context.task.outputs), len(context.split.development)) / len(context.dataset)
    return min(shortlist.SHARE * config.budget, 2 * first * sum(context.passes.values()))


def _needed(config: RunConfig, context: Context) -> bool:
    """Whether there are more sources than are probed."""
    allowed = config.allowed()
    ranks = allowed is None or strategies.ranking() in allowed
    return ranks and len(context.sources) > KEPT and config.quality != seen.BEST


def _searched(context: Context, budget: Budget) -> dict[str, Any]:
    """run.json, "search"."""
    named, items = list(context.sources), min(MOST, len(context.split.development))
    costs = {name: context.passes[name] / len(context.dataset) for name in named}
    left = budget.left + context.closing.startup - context.closing.seconds() - context.reserve
    until = Budget(shortlist.SHARE * max(0.0, left))
    rows: list[Standing] = []
    names: dict[str, str] = {}

    def measure(some: Sequence[str], count: int, few: bool) -> list[Ranked]:
        nonlocal rows
        evaluation, scored = _measured(context, some, count, few=few)
        rows = evaluation.standing(list(scored.values()))
        names.update((one.source.spec, name) for name, one in scored.items())
        by_spec = {one.source.spec: costs[name] for name, one in scored.items()}
        return [replace(one, name=names[one.name]) for one in ranked(rows, list(scored.values()), by_spec)]

    found = shortlist.search(
        costs, items, lambda: until.left, measure, len(context.split.development), context.task.outputs
    )
    left_out = dict(found.left_out)
    for name in named:
        if name not in (*found.kept, *left_out) and name in context.sources:
            left_out[name] = NOT_AMONG.format(kept=len(found.kept), all=len(named))
    metric = context.task.metric
    best = "; ".join(
        f"{names[row.source]} {words.estimate(metric, at.value, at.low, at.high)}"
        for row in rows
        for at in (row.expected,)
        if names[row.source] in found.kept
    )
    passed = f"their rank on {words.count(found.items, 'labelled item')}"
    return {
        "items": found.items,
        "kept": list(found.kept),
        "left_out": left_out,
        "ranking": [{**row.to_json(), "source": names[row.source]} for row in rows],
        "seconds": until.spent,
        "summary": f"{len(found.kept)} of {len(named)} are probed, by {passed} (expected {metric}: {best})",
    }


def ranked(rows: Sequence[Standing], scored: Sequence[Scored], costs: Mapping[str, float]) -> list[Ranked]:
    """What a round of a search says of the sources `scored`, by spec; `rows` is their order."""
    prior = dict(zip((one.source.spec for one in scored), known_before(scored)[0], strict=True))
    way = {one.source.spec: "apart" if one.source.input.apart else "" for one in scored}
    return [
        Ranked(row.source, costs[row.source], prior[row.source], row.tied or row is rows[0], way[row.source])
        for row in rows
    ]


def _measured(
    context: Context, names: Sequence[str], items: int, *, few: bool
) -> tuple[Evaluation, dict[str, Scored]]:
    """What sources are measured on, and what each that does not break scores, by name."""
    own = looked_at(context.dataset, context.split, context.seed, items)
    extract = context.extractor.over(own)
    split = splits.make_split(own, seed=context.seed)
    evaluation = Evaluation(own, context.task, split, extract, context.seed)
    scored = {}
    for name in names:
        before = extract.seconds
        with surviving(context, name):
            scored[name] = evaluation.measure(context.sources[name], context.backbone(name), few=few)
        context.paid[name] = context.paid.get(name, 0.0) + extract.seconds - before
    context.extractor.seconds += extract.seconds
    return evaluation, scored
