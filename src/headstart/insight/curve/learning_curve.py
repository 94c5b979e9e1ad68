"""The learning curve of a run: how good the frozen probe is with fewer labels, and what more would bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import strategies, tasks
from headstart.core import words
from headstart.core.backbone import Networks
from headstart.core.experiment import Experiment
from headstart.core.metric import named
from headstart.core.strategy import Trial, common
from headstart.evidence import leaderboard
from headstart.insight.curve.curve_points import Measured, measure, turned
from headstart.measure import curves, intervals
from headstart.measure.curves import Curve, Saved

MOST_CLASSES = 200
"""With more classes there is no curve: the fits would take minutes."""
POINTS = 25
"""Of the fitted curve."""


def learning_curve(
    experiment: Experiment, networks: Networks, trials: Mapping[str, Trial], shipped: str
) -> dict[str, Any] | None:
    """The curve as `insight.json` holds it; `shipped` names the arm that is shipped.

    It is of the linear probe on the shipped arm's source (or on that of the best probe), fold by fold on the
    taps of that probe. None where no source was probed, and for more than `MOST_CLASSES` classes.
    """
    probe = _probe(experiment, trials, shipped)
    if probe is None or experiment.task.outputs > MOST_CLASSES:
        return None
    baseline = _baseline(experiment, trials, probe)
    measured = measure(experiment, networks, probe, baseline)
    if measured is None:
        return None
    inner = measured.covariance[:-1, :-1]
    fitted = curves.fit_curve(
        measured.sizes, measured.errors, inner, counts=measured.counts, seed=experiment.seed
    )
    return _Words(experiment, probe, baseline, measured, fitted).content()


def _probe(experiment: Experiment, trials: Mapping[str, Trial], shipped: str) -> Trial | None:
    """The probe of the shipped arm's source, else the best one."""
    probes = [t for t in trials.values() if strategies.facts(t.strategy).ranks and t.choices.get("taps")]
    ranked = _ranked(experiment, probes)
    own = [trial for trial in ranked if trial.source == trials[shipped].source]
    return next(iter(own or ranked), None)


def _baseline(experiment: Experiment, trials: Mapping[str, Trial], probe: Trial) -> Trial | None:
    """What the labels saved are counted against: the better of scratch and the simple model."""
    there = [t for t in trials.values() if strategies.facts(t.strategy).role in ("scratch", "simple")]
    ranked = _ranked(experiment, [t for t in there if t.source in (None, probe.source)])
    return next(iter(ranked), None)


def _ranked(experiment: Experiment, trials: Iterable[Trial]) -> list[Trial]:
    """Those that have a score, best first."""
    scored = [(leaderboard.signed_score(trial, experiment), trial) for trial in trials]
    known = [(score, trial) for score, trial in scored if score is not None]
    return [trial for _, trial in sorted(known, key=lambda entry: -entry[0])]


@dataclass(frozen=True)
class _Words:
    """A measured curve, turned into the content of insight.json."""

    experiment: Experiment
    probe: Trial
    baseline: Trial | None
    measured: Measured
    fitted: Curve | str

    def content(self) -> dict[str, Any]:
        """See `learning_curve`."""
        saved, without = self._saved()
        twice, why = self._twice()
        more = [without] if without else []
        return {
            "source": self.probe.source,
            "arm": f"{self.measured.called} on frozen {self.probe.source} ({' + '.join(self.taps)})",
            "metric": self.experiment.task.metric,
            "unit": self.unit,
            "points": self._points(),
            "band": self._band(),
            "twice": twice,
            "twice_why": why,
            "saved": saved,
            "sentences": [self._about(), *more, self._outlook(twice, why)],
        }

    @property
    def unit(self) -> str:
        """What is labelled, and may be saved."""
        return tasks.for_task(self.experiment.task).unit

    def _points(self) -> list[dict[str, Any]]:
        m = self.measured
        sd = np.sqrt(np.maximum(np.diag(m.covariance)[:-1], 0.0))
        out = []
        for n, error, spread in zip(m.sizes, m.errors, sd, strict=True):
            low, high = error - 1.96 * spread, error + 1.96 * spread
            if self.experiment.task.metric == "accuracy":  # no interval of width 0 where nothing was wrong
                wilson = intervals.wilson(error * m.items, m.items)
                low, high = min(low, wilson.low), max(high, wilson.high)
            out.append({"n": round(n), **self._value(error, low, high), "repeats": m.draws})
        return out

    def _value(self, error: float, low: float, high: float) -> dict[str, float]:
        """Errors as values of the metric, which stay within its range."""
        task = self.experiment.task
        least, most = named(task.metric).range
        ends = sorted(float(turned(task, end)) for end in (low, high))
        return {"value": float(turned(task, error)), "low": max(least, ends[0]), "high": min(most, ends[1])}

    def _band(self) -> list[dict[str, Any]]:
        if isinstance(self.fitted, str):
            return []
        sizes = np.geomspace(self.measured.sizes[0], 2 * self.measured.sizes[-1], POINTS)
        found = [(n, self.fitted.at(float(n))) for n in sizes]
        return [{"n": round(float(n), 1), **self._value(e.value, e.low, e.high)} for n, e in found]

    def _twice(self) -> tuple[dict[str, Any] | None, str]:
        """What twice the labels of this run would bring, or why that is not said."""
        if isinstance(self.fitted, str):
            return None, self.fitted
        n = float(np.mean([len(fold.train) for fold in self.experiment.split.folds]))
        largest = self.measured.sizes[-1]
        if 2 * n > self.fitted.farthest:
            return None, (
                f"the curve was measured up to {largest:,.0f} {self.unit}, and nothing is said beyond "
                f"{curves.FARTHEST:g} times as many"
            )
        there, gain = self.fitted.at(2 * n), self.fitted.gain(n, 2 * n)
        found = {"n": round(2 * n), **self._value(there.value, there.low, there.high)}
        return {**found, "gain": {"value": gain.value, "low": gain.low, "high": gain.high}}, ""

    def _saved(self) -> tuple[dict[str, Any] | None, str]:
        """Labels saved against the baseline, and the sentence about it."""
        if self.baseline is None:
            return None, ""
        experiment, m = self.experiment, self.measured
        theirs = self._theirs()
        known = self.baseline.covered
        used = [
            len(f.train) for f in experiment.split.folds if known[min(f.repeat, len(known) - 1), f.test].any()
        ]
        their_n, error = float(np.mean(used)), float(turned(experiment.task, theirs))
        draws = curves.normal_draws(
            np.append(m.errors, error), m.covariance, curves.RESAMPLES, seed=experiment.seed
        )
        saved = curves.labels_saved(m.sizes, m.errors, error, their_n, draws=draws)
        against = f"{strategies.called(self.baseline.strategy)} with {their_n:,.0f}"
        if saved is None or saved.ratio < 1:
            return None, (
                f"No {self.unit} are saved: with {m.sizes[-1]:,.0f} {self.unit} {self._model} does not "
                f"reach {against} ({words.value(experiment.task.metric, theirs)})."
            )
        record = {
            "against": self.baseline.arm,
            "their_n": round(their_n),
            "their_value": theirs,
            **vars(saved),
            "labels": round(saved.labels),
        }
        return record, _saving(saved, against, self.unit)

    @property
    def taps(self) -> list[str]:
        """What of the source was read."""
        return list(self.probe.choices["taps"])

    @property
    def _model(self) -> str:
        stand_in = self.measured.called
        return "the frozen probe" if stand_in == "a linear probe" else f"the {stand_in.removeprefix('a ')}"

    def _theirs(self) -> float:
        """The baseline's score on the curve's items: as far from the probe as on the items that both have."""
        ours = self.measured.trial or self.probe
        scores = [leaderboard.score(trial, self.experiment) for trial in common(ours, self.baseline or ours)]
        last = float(turned(self.experiment.task, self.measured.errors[-1]))
        return last if scores[0] is None or scores[1] is None else last + scores[1] - scores[0]

    def _about(self) -> str:
        m, metric = self.measured, self.experiment.task.metric
        first, last = (words.value(metric, float(turned(self.experiment.task, m.errors[k]))) for k in (0, -1))
        return (
            f"The curve is of {self.measured.called} on frozen {self.probe.source}: {metric} {first} with "
            f"{m.sizes[0]:,.0f} {self.unit}, {last} with {m.sizes[-1]:,.0f} (each trained on part of the "
            "labelled items and measured on others). A network that is trained further may gain more from "
            f"more {self.unit}."
        )

    def _outlook(self, twice: dict[str, Any] | None, why: str) -> str:
        if twice is None:
            return f"What more {self.unit} would bring cannot be said: {why}."
        ends = (twice["gain"][name] for name in ("value", "low", "high"))
        gain = words.gain_estimate(self.experiment.task.metric, *ends)
        better = "" if self.experiment.task.higher_is_better else " (how much smaller the error gets)"
        return (
            f"Twice as many {self.unit} to learn from ({twice['n']:,} instead of {twice['n'] // 2:,}) would "
            f"bring about {gain}{better}."
        )


def _saving(saved: Saved, against: str, unit: str) -> str:
    labels = f"With {saved.labels:,.0f} {unit}" + (
        ", the fewest that were measured," if saved.at_least else ""
    )
    if saved.low <= 1:
        return (
            f"{labels} transfer scores like {against}, but the interval does not exclude that no "
            f"{unit.removesuffix('s')} is saved."
        )
    if saved.at_least:
        return f"{labels} transfer is as good as {against}: at least {saved.ratio:.1f} times fewer."
    return (
        f"{labels} transfer is as good as {against}: {saved.ratio:.1f} times fewer "
        f"[{saved.low:.1f}, {saved.high:.1f}]."
    )
