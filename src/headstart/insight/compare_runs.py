"""Run against run: are they different, on the items that both held out? Needs run folders and no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.predictions import both
from headstart.core.task import Task
from headstart.errors import BadOption
from headstart.insight.alignment import Common, Finished, check_alike
from headstart.measure.paired import PairedGain, Resampling, adjusted, paired_gain


@dataclass(frozen=True)
class Pair:
    """A run against the first one, on the items that both held out. Gains: positive is better."""

    run: str
    against: str
    outcome: str
    """"better", "worse" or "not told apart"."""
    sentence: str
    score: float
    """Of the run on the common items, in the metric's natural direction."""
    score_against: float
    gain: float
    low: float
    high: float
    level: float
    """Of the interval: as high as makes all intervals of a comparison hold together at 95 %."""
    items: int
    method: str
    p_value: float | None
    """McNemar mid-p, adjusted for the number of pairs (Holm); None where it does not apply."""
    smallest_visible: float
    same_folds: bool
    other_labels: int
    """Items that both held out, but with another label; they do not count."""
    one_class: bool = False
    """Whether the common items all have the same label, on which nothing can be told apart."""


@dataclass(frozen=True)
class Versus:
    """Runs side by side, and each against the first."""

    metric: str
    runs: tuple[dict[str, Any], ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(pair.sentence for pair in self.pairs)

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "runs": [dict(row) for row in self.runs],
            "pairs": [asdict(pair) for pair in self.pairs],
            "notes": list(self.notes),
        }


def versus(folders: Sequence[Path]) -> Versus:
    """Compare finished runs with the first of them.

    Raises `BadOption` for fewer than two different folders, `RunError` for one that is no finished run
    or that answers another question, and where no item was held out in both.
    """
    folders = [Path(folder) for folder in folders]
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise BadOption("RUN", ", ".join(map(str, folders)) or "nothing", "two or more different run folders")
    runs = [Finished.open(folder) for folder in folders]
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):  # these do not tell the runs apart
        names = [str(folder) for folder in folders]
    for other in runs[1:]:
        check_alike(runs[0], other)
    level = 1 - 0.05 / (len(runs) - 1)
    pairs = [
        _pair(runs[0], other, (name, names[0]), level)
        for other, name in zip(runs[1:], names[1:], strict=True)
    ]
    pairs = adjusted(pairs)
    rows = tuple(run.row(name) for run, name in zip(runs, names, strict=True))
    return Versus(runs[0].task.metric, rows, tuple(pairs), _notes(pairs))


def _pair(first: Finished, other: Finished, names: tuple[str, str], level: float) -> Pair:
    common = Common.of(first, other)
    found = paired_gain(
        common.y,
        common.ours,
        common.theirs,
        scoring=tasks.score_of(first.task),
        folds=common.folds,
        groups=common.groups,
        resampling=Resampling(level=level, seed=int(first.record["question"].get("seed", 0))),
    )
    scores = _scores(first.task, common)
    differ = tasks.for_task(first.task).differ(common.y)
    outcome = judge(found) if differ else "not told apart"
    return Pair(
        run=names[0],
        against=names[1],
        outcome=outcome,
        sentence=_sentence(outcome, (first, other), names, found, scores),
        score=scores[0],
        score_against=scores[1],
        gain=found.gain,
        low=found.low,
        high=found.high,
        level=level,
        items=found.items,
        method=found.method,
        p_value=found.p_value,
        smallest_visible=found.smallest_visible,
        same_folds=common.same_folds,
        other_labels=common.other_labels,
        one_class=not differ,
    )


def judge(found: PairedGain) -> str:
    """What the interval says; with few items only an obvious gain counts, as in a verdict."""
    if found.too_few or found.low <= 0 <= found.high:
        return "not told apart"
    return "better" if found.gain > 0 else "worse"


def _scores(task: Task, common: Common) -> tuple[float, float]:
    """The headline metric of both in the cells that both have, averaged over repeats."""
    judged, pair = tasks.score_of(task), (common.ours, common.theirs)
    values = [
        [judged.value(common.y[rows], one.take(repeat, rows)) for one in pair]
        for repeat, rows in enumerate(both(*pair))
        if rows.any()
    ]
    mean = np.mean(values, axis=0)
    return float(mean[0]), float(mean[1])


def _sentence(
    outcome: str,
    runs: tuple[Finished, Finished],
    names: tuple[str, str],
    found: PairedGain,
    scores: tuple[float, float],
) -> str:
    first, other = runs
    metric = first.task.metric
    says = {"better": "is better than", "worse": "is worse than", "not told apart": "cannot be told from"}
    gain = words.gain_estimate(metric, found.gain, found.low, found.high)
    count = words.count(found.items, "item")
    text = (
        f"{names[0]} ({other.shipped.arm}) {says[outcome]} {names[1]} ({first.shipped.arm}): "
        f"{words.value(metric, scores[0])} against {words.value(metric, scores[1])} {metric}, "
        f"{gain}, on the {count} that both held out"
    )
    if not first.task.higher_is_better:
        text += " (a positive gain is a smaller error)"
    if outcome == "not told apart":
        text += (
            f"; a gain of about {words.gain(metric, found.smallest_visible).lstrip('+')} would have been seen"
        )
    return text + "."


def _notes(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """What must be read with the sentences."""
    notes = []
    apart = [pair.run for pair in pairs if not pair.same_folds]
    if apart:
        notes.append(
            f"Other folds than {pairs[0].against}: {', '.join(apart)}. The gain is also that of other "
            "training parts, so it is less certain than within one run."
        )
    for pair in pairs:
        if pair.other_labels:
            count = words.count(pair.other_labels, "item")
            notes.append(f"{pair.run}: {count} with another label than in {pair.against} left out.")
        if pair.one_class:
            notes.append(
                f"{pair.run}: all items that it and {pair.against} held out have the same label, so that one "
                "that always says it would look best: nothing is compared."
            )
    if len(pairs) > 1:
        notes.append(
            f"The {len(pairs)} intervals hold together at 95 %; "
            "p-values are adjusted for their number (Holm)."
        )
    notes.append(
        "Each run chose its arm on these items, so a run that tried more arms has a slight advantage; "
        "the test scores have no such flaw."
    )
    return tuple(notes)
