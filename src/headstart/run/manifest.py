"""What a run writes down and tells: the content of run.json, and the events made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headstart import sources
from headstart.core import environment, words
from headstart.core.budget import Budget
from headstart.core.budget import words as seconds_in_words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener
from headstart.core.source import Source
from headstart.core.task import Task
from headstart.data.checks.findings import Report
from headstart.data.checks.findings.held_out import Coverage
from headstart.evidence import leaderboard
from headstart.planning import policy, seen
from headstart.planning.seen.race import Heat
from headstart.run import conclude
from headstart.run.state import items, resolve
from headstart.run.state.config import RunConfig, absolute
from headstart.run.state.context import Context
from headstart.run.state.folder import RunFolder, read_finished, sound


def write_answer(
    context: Context,
    answer: conclude.Answer,
    skipped: list[seen.Skipped],
    data: dict[str, Any],
    budget: Budget,
    config: RunConfig,
) -> dict[str, Any]:
    """Put the answer beside the question in run.json, and the items beside it; returns the whole content.

    It is not complete before the model and the page belong to it: who writes these says so at the end.
    """
    lacking = Coverage.of(context.dataset, context.split).to_json()
    content = {
        **context.folder.read(),
        "name": context.dataset.name,
        "origin": absolute(context.dataset.origin),
        "modality": context.dataset.modality,
        "pairs": context.dataset.pairs,
        "task": context.task.to_json(),
        "data": data,
        "split": {**context.split.to_json(), **({"never_held_out": lacking} if lacking else {})},
        "answer": {
            "verdict": {**answer.verdict.to_json(), "notes": conclude.notes(answer, skipped)},
            "winner": answer.winner,
            "reference": leaderboard.reference_name(answer.rows),
            "rows": [row.to_json() for row in answer.rows],
            "response": answer.response,
            **({"unlabelled": answer.unlabelled} if answer.unlabelled else {}),
            **({"retained": answer.retained} if answer.retained else {}),
            **({} if answer.domains is None else {"domains": answer.domains}),
            "skipped": [vars(s) for s in skipped],
            "chosen": answer.model.evidence["chosen"],
            "test": answer.test.to_json() if answer.test else None,
            "test_metrics": answer.test_metrics,
            "budget": budget.seconds,
            "quality": config.quality,
            "until": config.until,
            "seconds": max(budget.spent, sum(row.seconds for row in answer.rows)),
            "pass_seconds": context.extractor.seconds,
        },
        "timing": context.timing,
        "complete": False,
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
    with context.folder.writing():
        items.write(context.folder.path, context.dataset, context.split)
    context.folder.write(content)
    return content


def finished(folder: RunFolder, config: RunConfig) -> bool:
    """Whether the folder holds the answer already, found with at least this budget, as well and as far."""
    whole = (folder.path / "model" / "bundle.json").is_file() and (folder.path / "report.html").is_file()
    if not whole or not folder.read().get("complete"):
        return False
    content = read_finished(folder.path)
    answer, order = content["answer"], seen.QUALITIES.index
    with sound(folder.path, "run.json", "choose another --out"):
        asked = config.measured({name: float(s) for name, s in content["seconds_per_pass"].items()})
        return (
            asked.budget <= float(answer["budget"])
            and order(asked.quality) <= order(answer.get("quality", seen.BALANCED))
            and answer.get("until") in (None, asked.until)
        )


def retell(folder: RunFolder, listen: Listener) -> None:
    """Tell a finished run's answer once more."""
    content = read_finished(folder.path)
    answer, metric = content["answer"], content["task"]["metric"]
    listen(Event("leaderboard", {"rows": answer["rows"], "metric": metric, "reference": answer["reference"]}))
    listen(Event("verdict", answer["verdict"]))
    listen(Event("model", {"path": str(folder.path / "model"), "summary": answer["winner"]}))
    listen(Event("report", {"path": str(folder.path / "report.html")}))


def data_record(dataset: Dataset, task: Task, findings: Report) -> dict[str, Any]:
    """What was read, in words and numbers."""
    tests = int((dataset.split == "test").sum()) if dataset.split is not None else 0
    return {
        "name": dataset.name,
        "items": len(dataset),
        "task": task.to_json(),
        "summary": resolve.summary(dataset, task, tests),
        "findings": findings.lines("warning"),
    }


def source_summary(named: dict[str, Source], config: RunConfig) -> str:
    """The sources in one line; where none was named, with the one command that adds a stronger one."""
    if not named:
        return "none: no strategy of this run needs one"
    text = ", ".join(named)
    if config.sources:
        return text
    used = list(named.values())
    command = sources.stronger(used[0].modality, used)
    return f"{len(named)} on this machine: {text}" + (f"     (stronger: {command})" if command else "")


def time_summary(content: dict[str, Any], budget: Budget, startup: float) -> str:
    """What was spent of the budget, and how long it took from the start to the first verdict."""
    spent = f"{seconds_in_words(budget.spent)} of {seconds_in_words(budget.seconds or 0.0)}"
    first = content.get("first_verdict")
    if not first:
        return spent
    return (
        f"{spent}, and {seconds_in_words(startup)} to start; the first verdict came after "
        f"{seconds_in_words(first['seconds'])}"
    )


def heat_summary(context: Context, heat: Heat, *, ended: bool = False) -> str:
    """Where an arm that races stands, and what comes of it, in a line."""
    metric = context.task.metric
    score = heat.score if context.task.higher_is_better else -heat.score
    text = f"{words.value(metric, score)} {metric} after {heat.trained}"
    if heat.against:
        text += f", {words.gain(metric, heat.gain)} over {heat.against} on the same items"
    if not heat.hopeless:
        return f"{text}: {'no time for the rest' if ended else 'it goes on'}"
    return f"{text}, and at most {words.gain(metric, heat.reach)} with the rest of its steps: dropped"


def too_small(context: Context, budget: Budget) -> str:
    """That a budget has no room for more than what every run does."""
    closing = context.closing.seconds()
    return (
        f"{seconds_in_words(budget.seconds or 0.0)} are too few here for more than the baselines and one "
        f"probe: {seconds_in_words(budget.spent)} went into reading the data and opening the sources, and to "
        f"save, prove and tell takes about {seconds_in_words(closing)}; more is tried from about "
        f"{seconds_in_words(2 * (budget.spent + closing))} on"
    )


def beginning(data: dict[str, Any], named: str, away: list[tuple[str, str]]) -> Iterator[Event]:
    """What is told before anything is computed: the data, the sources, and which of those that match a
    pattern cannot be used, each reason once."""
    yield Event("data", data)
    yield Event("sources", {"summary": named})
    by_reason: dict[str, list[str]] = {}
    for spec, reason in away:
        by_reason.setdefault(reason, []).append(spec)
    text = "; ".join(f"{words.few(specs)}: {reason}" for reason, specs in by_reason.items())
    if text:
        yield Event("note", {"label": "left out", "text": text})


def plan_summary(known: seen.Known, config: RunConfig) -> dict[str, Any]:
    """The plan in one line, and its steps."""
    steps, left_out = policy.outline(known)
    total = sum(min(step.seconds, step.estimate or 0.0) for step in steps)
    text = f"about {seconds_in_words(total)} of the {seconds_in_words(config.budget)}: {len(steps)} arms"
    behind = {source.left_out for source in known.sources} - {""}
    if late := [one for one in left_out if one.reason not in behind]:
        text += f"; {len(late)} {'does' if len(late) == 1 else 'do'} not fit"
    return {"summary": text, "steps": [vars(step) for step in steps], "skipped": [vars(s) for s in left_out]}
