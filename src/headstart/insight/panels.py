"""RUN/insight.json: what else a finished run's held-out predictions tell, for its page and for comparisons.

Everything is made from what is stored already: out-of-fold predictions, leave-one-out profiles, features.
Only the words that mattered in mistakes (`headstart.predict.saliency`) are asked of the shipped model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart import modalities, tasks
from headstart.core.backbone import Networks
from headstart.core.budget import Budget
from headstart.core.events import Event
from headstart.core.experiment import Experiment
from headstart.core.files import plain, write_json
from headstart.core.model import Model
from headstart.core.strategy import Trial
from headstart.core.task import Task
from headstart.errors import HeadstartError
from headstart.evidence import leaderboard
from headstart.insight import depth as layers
from headstart.insight import embedding_map, lengths, mistakes
from headstart.insight.curve import depth_curve, learning_curve
from headstart.insight.reliability import reliability
from headstart.measure import intervals
from headstart.measure.partition import drawn
from headstart.predict import evaluate, saliency
from headstart.tasks.base import Labels, Places

if TYPE_CHECKING:
    from headstart.run.fit import Result

NAME = "insight.json"
WHOLE_TABLE = 30
"""Up to this many classes the confusion table is kept whole; the worst pairs always are."""
PAIRS = 20
WORK = 10_000_000
"""Cells (resample x item x output) spent on intervals, in 50 to 400 resamples. 5,000 x 20 labels: 2 s."""
WRITING = 0.8
"""Seconds that writing the page takes."""
HURRIED = 6.0
"""Seconds left under which the map gets fewer items."""
POINTS = 1_000
"""Most points of a regression's scatter."""


@dataclass(frozen=True)
class View:
    """The shipped arm with its out-of-fold predictions."""

    experiment: Experiment = field(repr=False)
    networks: Networks = field(repr=False)
    trials: Mapping[str, Trial] = field(repr=False)
    shipped: Trial = field(repr=False)
    rows: np.ndarray = field(repr=False)
    """int64 `[n]`: rows that were held out."""
    predictions: np.ndarray = field(repr=False)
    """float64 `[n, K]`: averaged over the repeats."""
    row: leaderboard.Row
    """Its row of the leaderboard."""
    model: Model = field(repr=False)
    """What ships: the arm, trained on all rows."""
    budget: Budget = Budget()
    """What is left of it is there for the insight and the page."""

    @property
    def y(self) -> np.ndarray:
        return self.experiment.targets[self.rows]

    @classmethod
    def of(cls, result: Result) -> View:
        shipped = result.trials[result.answer.winner]
        row = next(row for row in result.answer.rows if row.arm == shipped.arm)
        return cls(
            result.experiment,
            result.networks,
            result.trials,
            shipped,
            np.flatnonzero(shipped.covered.any(axis=0)),
            shipped.predictions.averaged(),
            row,
            result.answer.model,
            result.budget,
        )

    @property
    def left(self) -> float:
        """Seconds left for the insight."""
        return self.budget.left - WRITING

    @property
    def source(self) -> str | None:
        """The source that speaks for the run: the shipped arm's own, else that of the best probe."""
        trial = layers.probe_of(self.experiment, self.trials, self.shipped)
        return self.shipped.source or (trial.source if trial is not None else None)


def insight_of(result: Result) -> dict[str, Any]:
    """All of it, as written to insight.json. A part that cannot be made is null, and a note says why."""
    view = View.of(result)
    found: dict[str, Any] = {"arm": view.shipped.arm}
    late: list[str] = []
    methods = tasks.for_task(view.experiment.task)
    fitting = set(PARTS)
    if isinstance(methods, Places):
        fitting = OF_PLACES
    elif methods.form:
        fitting = OF_TEXTS
    for name in (*(name for name in PARTS if name not in DEAR), *DEAR):
        if name not in fitting:
            found[name] = [] if name in LISTS else None
            continue
        if name in DEAR and view.left < DEAR[name] * result.slower():
            found[name] = None
            late.append(name.replace("_", " "))
            continue
        try:
            found[name] = plain(PARTS[name](view))
        except (HeadstartError, MemoryError, RuntimeError, ValueError) as error:  # the model is saved: go on
            found[name] = [] if name in LISTS else None
            reason = str(error) or type(error).__name__
            text = f"left out of the page: {name.replace('_', ' ')} ({reason})"
            result.listen(Event("note", {"label": "", "text": text}))
    found = {name: found[name] for name in ("arm", *PARTS)}
    if late:
        text = f"left out of the page for want of time: {', '.join(late)}"
        result.listen(Event("note", {"label": "", "text": text}))
    with result.folder.writing():
        write_json(result.folder.path / NAME, found)
    return found


def metrics(view: View) -> dict[str, dict[str, Any]]:
    """Every metric of the task, averaged over repeats as the leaderboard's score is, with its interval.

    Accuracy of single items: Wilson. The headline metric otherwise: as on the leaderboard. The rest: a
    bootstrap over items or groups.
    """
    experiment, trial = view.experiment, view.shipped
    methods = tasks.for_task(experiment.task)
    known = [np.flatnonzero(repeat[view.rows]) for repeat in trial.covered]
    parts = [
        (place, trial.predictions.take(repeat, view.rows[place]))
        for repeat, place in enumerate(known)
        if len(place)
    ]
    each: dict[str, list[float]] = {}
    for place, predictions in parts:
        for name, value in methods.metrics(experiment.task, view.y[place], predictions).items():
            each.setdefault(name, []).append(value)
    sizes = np.array([len(place) for place, _ in parts])
    # one that is not defined in every repeat is averaged over those in which it is
    values = {
        name: leaderboard.over_repeats(v, sizes if len(v) == len(sizes) else np.ones(1))
        for name, v in each.items()
    }
    if view.row.score is not None:
        values[experiment.task.metric] = view.row.score
    groups = leaderboard.groups_of(view.rows, experiment.split.groups)
    count = int(np.clip(WORK // max(1, view.predictions.size), 50, 400))
    around = evaluate.spreads(
        experiment.task, parts, view.y, values, groups=groups, count=count, seed=experiment.seed
    )
    found = {}
    for name, value in values.items():
        interval = around[name]
        if name == "accuracy" and groups is None:
            interval = intervals.wilson(value * interval.n, interval.n)
        elif name == experiment.task.metric and view.row.low is not None and view.row.high is not None:
            interval = replace(interval, low=view.row.low, high=view.row.high)
        found[name] = {"value": value, **vars(interval)}
    return found


def confusion(task: Task, y: np.ndarray, predictions: np.ndarray) -> dict[str, Any] | None:
    """The answers `[n, K]`, averaged over repeats, by class; None for regression."""
    classes, table = evaluate.by_class(task, y, predictions)
    if not classes:
        return None
    pairs = [] if table is None else evaluate.confused(table, task.labels, PAIRS)
    return {
        "labels": list(task.labels),
        "table": table if table is not None and len(table) <= WHOLE_TABLE else None,
        "per_class": classes,
        "pairs": [{"is": p["true"], "said": p["predicted"], "count": p["count"]} for p in pairs],
    }


def scatter(view: View) -> dict[str, Any] | None:
    """True and predicted values; regression only."""
    if isinstance(tasks.for_task(view.experiment.task), Labels) or not len(view.rows):
        return None
    truth, said = view.y, view.predictions[:, 0]
    shown = drawn(len(truth), POINTS, seed=view.experiment.seed)
    return {
        "points": [
            {"row": int(view.rows[i]), "true": float(truth[i]), "predicted": float(said[i])} for i in shown
        ],
        "low": float(min(truth.min(), said.min())),
        "high": float(max(truth.max(), said.max())),
    }


def depth(view: View) -> dict[str, Any] | None:
    """How each layer of the source does by itself."""
    trial = layers.probe_of(view.experiment, view.trials, view.shipped)
    return None if trial is None else layers.depth(view.experiment, view.networks, trial)


def depth_by_labels(view: View) -> dict[str, Any] | None:
    """How each layer of the source does with ever more labels."""
    trial = layers.probe_of(view.experiment, view.trials, view.shipped)
    return None if trial is None else depth_curve.depth_curve(view.experiment, view.networks, trial)


def map_of_items(view: View) -> dict[str, Any] | None:
    """The items as the source sees them; None where no network was used."""
    source = view.source
    if source is None:
        return None
    decoded = tasks.for_task(view.experiment.task).decode(view.experiment.task, view.predictions)
    rows = np.concatenate([view.experiment.split.development, view.experiment.split.test])
    said = dict(zip(view.rows.tolist(), decoded, strict=True))
    most = embedding_map.POINTS if view.left > HURRIED else embedding_map.FEWER
    return embedding_map.embedding_map(view.experiment, view.networks, source, rows, said, most=most)


def wrong_words(view: View) -> dict[str, Any] | None:
    """Which words mattered in the most confident mistakes; None where items are not made of words."""
    if not modalities.get(view.experiment.dataset.modality).IN_WORDS:
        return None
    found = mistakes.worst(view.experiment.dataset, view.experiment.task, view.rows, view.predictions)
    held_out = dict(zip(view.rows.tolist(), view.predictions, strict=True))
    seconds = min(saliency.SECONDS, view.left)
    return saliency.occlusion(view.experiment.dataset, view.model, found, held_out, seconds=seconds)


def text_lengths(view: View) -> dict[str, Any] | None:
    """How long texts are for the source; None for other items, and where no source was used."""
    source, room = view.source, modalities.get(view.experiment.dataset.modality)
    if source is None or not room.IN_WORDS:  # no network is opened to be told that
        return None
    rows = np.concatenate([view.experiment.split.development, view.experiment.split.test])
    return lengths.lengths(view.experiment, source, view.networks.backbone(source).source.input, rows)


PARTS: dict[str, Callable[[View], Any]] = {
    "metrics": metrics,
    "confusion": lambda v: confusion(v.experiment.task, v.y, v.predictions),
    "scatter": scatter,
    "reliability": lambda v: reliability(v.experiment, v.shipped),
    "depth": depth,
    "depth_curve": depth_by_labels,
    "learning_curve": lambda v: (
        learning_curve.learning_curve(v.experiment, v.networks, v.trials, v.shipped.arm)
        if tasks.for_task(v.experiment.task).differ(v.y)
        else None
    ),
    "label_errors": lambda v: mistakes.label_errors(
        v.experiment.dataset, v.experiment.task, v.rows, v.predictions
    ),
    "mistakes": lambda v: mistakes.worst(v.experiment.dataset, v.experiment.task, v.rows, v.predictions),
    "occlusion": wrong_words,
    "lengths": text_lengths,
    "map": map_of_items,
}
DEAR = {"map": 0.5, "learning_curve": 2.5, "depth_curve": 1.5, "occlusion": 0.5}
"""Parts that come last, and are left out where fewer seconds are left for them."""
OF_PLACES = {"metrics", "confusion", "label_errors", "learning_curve", "mistakes"}
"""Parts that are made of maps and boxes, too."""
OF_TEXTS = {"metrics", "confusion", "mistakes"}
"""Parts that are made of texts, too."""
LISTS = ("label_errors", "mistakes")
"""Parts that are lists: empty, not null, where there is nothing."""
