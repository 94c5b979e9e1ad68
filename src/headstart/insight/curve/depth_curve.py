"""Which layer does best with how many labels: ridge regression on nested portions of stored features.

Everything is in closed form on Gram matrices of the rows that tap selection looks at. A portion is measured
on the other rows, all rows by leaving each (or its group) out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.backbone import Networks
from headstart.core.experiment import Experiment
from headstart.core.features import FeatureSpec, Tap
from headstart.core.strategy import Trial
from headstart.evidence import leaderboard
from headstart.insight.curve import subsets
from headstart.measure import threads
from headstart.measure.intervals import units, wilson
from headstart.measure.ridge import Dual, centred_gram
from headstart.measure.spectral import standardise
from headstart.strategies.probe import left_out_tilt, selection_rows

DRAWS = 5
"""Portions drawn for every size."""
HALVED, LEAST = 5, 8
"""How often all labels are halved, and the fewest that are looked at: these, or two of each class."""
PENALTIES = (0.1, 1.0, 10.0)
"""Tried on each portion by leave-one-out, as multiples of the mean eigenvalue of its Gram matrix."""
WIDE = 1.96
"""Standard errors by which a layer must be behind the best one to be told from it."""


@dataclass(frozen=True)
class Question:
    """What every layer is asked."""

    targets: np.ndarray = field(repr=False)
    """float64 `[n, K]`: targets of ridge regression."""
    classes: np.ndarray | None = field(repr=False)
    """int64 `[n]`: what is scored is whether the largest prediction is right; None: the squared error."""
    variance: float
    """Of the targets, summed over them: the squared error of their mean."""
    groups: np.ndarray | None = field(repr=False)
    """int64 `[n]`: rows that stay together; None: each is its own."""

    def scores(self, predictions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """float64 `[m]` of predictions `[m, K]`: 1 where its class is right, else 0; or the skill."""
        if self.classes is not None:
            return np.asarray(predictions.argmax(axis=1) == self.classes[rows], np.float64)
        return 1 - np.sum((self.targets[rows] - predictions) ** 2, axis=1) / self.variance


def depth_curve(experiment: Experiment, networks: Networks, trial: Trial) -> dict[str, Any] | None:
    """The scores of every stage of a probe's source by the number of labels; None where there are too few
    rows for two numbers, or fewer than two stages.

    A stage is read at the tap that does best with all labels. `low` and `high` are 95 % intervals over items
    (or groups) and draws; `tied` are the stages that the paired difference does not tell from the best.
    """
    taps = _taps(trial)
    methods, rows = tasks.for_task(experiment.task), selection_rows(experiment.split, experiment.seed)
    y, outputs = experiment.targets[rows], experiment.task.outputs
    wanted = methods.ridge_targets(y, outputs)
    exclusive = methods.exclusive and wanted.shape[1] == outputs
    chance, variance = methods.chance(y)
    least = max(LEAST, 2 * outputs if methods.exclusive else 0)
    halved = [round(len(rows) / 2**k) for k in range(HALVED, -1, -1)]
    wanted_sizes = [size for size in halved if size >= least]
    if len(taps) < 2 or len(wanted_sizes) < 2 or not (exclusive or variance):
        return None
    groups = leaderboard.groups_of(rows, experiment.split.groups)
    question = Question(wanted, y if exclusive else None, variance, groups)
    features = networks.extractor(networks.backbone(str(trial.source)), FeatureSpec(taps=tuple(taps)))
    strata = subsets.strata(experiment.task, y)
    orders = [
        subsets.nested(
            strata, experiment.split.groups[rows], np.random.default_rng((experiment.seed, number))
        )
        for number in range(DRAWS)
    ]
    with threads.suited_to(len(rows)):
        grams = [_gram(np.asarray(features.tap(tap)[rows], np.float32)) for tap in taps]
        measured = [_portions(grams, question, orders, size) for size in wanted_sizes[:-1]]
        measured.append((len(rows), np.stack([_whole(gram, question) for gram in grams])[:, None]))
    metric = "accuracy" if exclusive else "skill"
    points = [_point(scores, size, taps, question) for size, scores in measured]
    return {
        "source": str(trial.source),
        "metric": metric,
        "chance": chance if exclusive else 0.0,
        "stages": [tap.stage for tap in taps],
        "points": points,
        "sentence": _sentence(points, [tap.stage for tap in taps]),
    }


def _taps(trial: Trial) -> list[Tap]:
    """The best tap of each stage by the probe's profile, in the network's order."""
    best: dict[str, tuple[float, Tap]] = {}
    for name, errors in (trial.choices.get("profile") or {}).items():
        tap, mse = Tap.parse(name), errors["mse"]
        if mse is not None and mse < best.get(tap.stage, (np.inf, tap))[0]:
            best[tap.stage] = mse, tap
    return [tap for _, tap in best.values()]


def _gram(block: np.ndarray) -> np.ndarray:
    standard = standardise(block)[0].astype(np.float32)
    return standard @ standard.T


def _portions(
    grams: Sequence[np.ndarray],
    question: Question,
    orders: Sequence[tuple[np.ndarray, np.ndarray]],
    size: int,
) -> tuple[int, np.ndarray]:
    """(labels, mean over the draws; scores `[taps, draws, n]`, NaN for the rows of the portion)."""
    found = np.full((len(grams), len(orders), len(question.targets)), np.nan)
    used = []
    for number, order in enumerate(orders):
        part = np.sort(subsets.beginning(*order, size))
        rest = np.setdiff1d(np.arange(len(question.targets)), part)
        used.append(len(part))
        for place, gram in enumerate(grams):
            found[place, number, rest] = question.scores(predicted(gram, question, part, rest), rest)
    return round(float(np.mean(used))), found


def predicted(gram: np.ndarray, question: Question, part: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """float64 `[len(rest), K]`: ridge regression on the rows `part`, asked about the rows `rest`."""
    own, targets = gram[np.ix_(part, part)].astype(np.float64), question.targets[part]
    dual = _best(own, targets, None if question.groups is None else question.groups[part])
    found = np.tile(targets.mean(axis=0), (len(rest), 1))
    if dual is not None:  # its rows add up to 0, so that targets and products need no centring on that side
        found += (gram[np.ix_(rest, part)] - own.mean(axis=0)) @ (dual.solved @ targets)
    return found


def _whole(gram: np.ndarray, question: Question) -> np.ndarray:
    """float64 `[n]`: scores of all rows, each (or its group) left out."""
    dual = _best(gram.astype(np.float64), question.targets, question.groups)
    predictions = np.zeros_like(question.targets)
    if dual is not None:
        predictions = question.targets - dual.left_out(question.targets, groups=question.groups)
    if question.classes is not None:
        predictions = predictions + left_out_tilt(question.targets, question.groups)
    return question.scores(predictions, np.arange(len(gram)))


def _best(gram: np.ndarray, targets: np.ndarray, groups: np.ndarray | None) -> Dual | None:
    """Of the penalties the one with the least leave-one-out error; None where none can be solved."""
    centred = centred_gram(gram)
    unit = max(float(np.trace(centred)) / len(centred), 1e-30)
    found: tuple[float, Dual | None] = np.inf, None
    for relative in PENALTIES:
        dual = Dual.of(centred, relative * unit)
        error = np.inf if dual is None else float(np.mean(dual.left_out(targets, groups=groups) ** 2))
        if error < found[0]:
            found = error, dual
    return found[1]


def _point(scores: np.ndarray, size: int, taps: Sequence[Tap], question: Question) -> dict[str, Any]:
    """The stages at one number of labels, from scores `[taps, draws, n]`."""
    seen = ~np.isnan(scores[0]).all(axis=0)
    each = np.nanmean(scores[:, :, seen], axis=1)  # [taps, m]
    of_draws = np.nanmean(scores, axis=2)  # [taps, draws]
    groups = None if question.groups is None else question.groups[seen]
    unit, n = units(each.shape[1], groups)
    size_of = np.bincount(unit)

    def error(items: np.ndarray, draws: np.ndarray) -> float:
        """Of a mean over items: over units, and over draws."""
        means = np.bincount(unit, items - items.mean()) * len(size_of) / len(items)
        over = means.var(ddof=1) / n if n > 1 else 0.0
        return float(np.sqrt(over + (draws.var(ddof=1) / len(draws) if len(draws) > 1 else 0.0)))

    values = each.mean(axis=1)
    best, rows = int(values.argmax()), []
    for place, tap in enumerate(taps):
        value = float(values[place])
        behind = each[best] - each[place], of_draws[best] - of_draws[place]
        half = WIDE * error(each[place], of_draws[place])
        low, high = value - half, value + half
        if question.classes is not None:  # all of few right is no certainty
            sure = wilson(value * n, n)
            low, high = max(0.0, min(low, sure.low)), min(1.0, max(high, sure.high))
        tied = float(behind[0].mean()) <= WIDE * error(*behind)
        rows.append(
            {"stage": tap.stage, "tap": str(tap), "value": value, "low": low, "high": high, "tied": tied}
        )
    return {"n": size, "best": taps[best].stage, "rows": rows}


def _sentence(points: Sequence[Mapping[str, Any]], stages: Sequence[str]) -> str:
    """How the best depth moves with the labels, and whether that can be told from chance."""
    first, last = points[0], points[-1]
    few, many = words.count(first["n"], "label"), words.count(last["n"], "label")
    if first["best"] == last["best"]:
        same = all(point["best"] == last["best"] for point in points)
        return f"{last['best']} does best with {few} and with {many}" + (
            "." if same else ", others in between."
        )
    deeper = stages.index(last["best"]) > stages.index(first["best"])
    text = f"With {few} {first['best']} does best, with {many} {last['best']}"
    text += ": the more data, the deeper" if deeper else ", which lies earlier"
    clear = not _tied(first, last["best"]) and not _tied(last, first["best"])
    return text + ("." if clear else "; but the two are not told apart at both ends.")


def _tied(point: Mapping[str, Any], stage: str) -> bool:
    return any(row["tied"] for row in point["rows"] if row["stage"] == stage)
