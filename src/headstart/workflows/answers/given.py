"""What a model says of both domains: of the source held out, of the target for the first time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headstart import tasks
from headstart.measure.shift.signature import Circle
from headstart.predict.predictor import Predictor, stream
from headstart.predict.tiles import Tiling
from headstart.run.state.folder import load_trial, slug
from headstart.tasks.base import Places
from headstart.tasks.linear import inner_folds
from headstart.workflows.inputs.domains import Domains

FOLDS = 5
ENOUGH = 5
"""Pseudo-labels of a class without which it is no part of the circle."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Of one model, or of one for each fold."""

    rows: np.ndarray = field(repr=False)
    """int64 `[S]`: the items of the source that were held out."""
    held: np.ndarray = field(repr=False)
    """float64 `[S, K]`: probabilities, or values; of places and boxes how much of each class is said."""
    target: np.ndarray = field(repr=False)
    """float64 `[T, K]`"""
    model: str
    """Whose answers, in words."""


def of_run(domains: Domains, predictor: Predictor) -> Answers | None:
    """Those of the run's shipped model; None where its held-out answers are of other data, or no rows of
    numbers."""
    if domains.folder is None or domains.source.rows is None:
        return None
    task = predictor.model.task
    methods = tasks.for_task(task)
    arm = str(domains.record["answer"]["winner"])
    record = domains.folder / "trials" / slug(arm) / "trial.json"
    if not record.is_file():
        return None
    predictions = load_trial(record, methods.predictions).predictions
    covered = np.flatnonzero(predictions.covered[:1].any(axis=0))
    if not len(covered):
        return None
    held = predictions.take(0, covered)  # one answer each, as for the target
    if isinstance(methods, Places):
        held = np.stack([methods.amounts(task, one) for one in held])
    if held.ndim != 2:
        return None
    place = np.full(predictions.covered.shape[1], -1)
    place[covered] = np.arange(len(covered))
    at = place[domains.source.rows]
    rows = np.flatnonzero(at >= 0)
    tiling, items, said = Tiling.of(predictor.model, None), domains.target.dataset.items, []
    for found in stream(predictor, items, tiling=tiling):
        if found.scores is None:
            return None
        said.append(methods.amounts(task, found.answer) if isinstance(methods, Places) else found.scores)
    held = held[at[rows]]
    if not isinstance(methods, Places):
        temperature = float(predictor.model.evidence.get("temperature") or 1.0)
        held = methods.softened(held, temperature)
    return Answers(rows, held, np.stack(said).astype(np.float64), f"the run's model ({arm})")


def of_probe(domains: Domains, features: np.ndarray, groups: np.ndarray, seed: int) -> Answers | None:
    """Those of linear models on the features `[S + T, D]` of both domains, one for each fold of the labelled
    source. Each item of the target is answered by one of them, drawn: of equal domains the answers have the
    same distribution. None without labels, where nothing can be held out, and where answers are no rows of
    numbers."""
    task, known = domains.task, np.flatnonzero(domains.source.dataset.labelled)
    if task is None or len(known) < 2 * FOLDS or tasks.for_task(task).form:
        return None
    methods, y = tasks.for_task(task), domains.source.dataset.targets[known]
    own, target = features[known], features[len(domains.source) :]
    strata = y if methods.exclusive else np.zeros(len(known), np.int64)
    folds = inner_folds(strata, groups[known], folds=FOLDS, seed=seed)
    if not len(folds) or not methods.differ(y):
        return None
    drawn = np.random.default_rng(seed).permutation(len(target)) % len(folds)
    held, said = (np.zeros((len(part), task.outputs)) for part in (own, target))
    penalties = None
    for number, train in enumerate(folds):
        how = {"groups": groups[known][train], "seed": seed, "penalties": penalties}
        model = methods.fit_linear(own[train], y[train], outputs=task.outputs, **how)
        penalties = None if model.ridge else [model.penalty]  # chosen once
        held[~train] = methods.activate(model.logits(own[~train]))
        said[drawn == number] = methods.activate(model.logits(target[drawn == number]))
    return Answers(known, held, said, "a linear model on the source's features")


def circle(domains: Domains, answers: Answers, features: np.ndarray, seed: int) -> Circle | None:
    """Circular validation on the features `[S + T, D]`, over classes with `ENOUGH` pseudo-labels in the
    target. None where there are fewer than two of these, or items have no single class."""
    task = domains.task
    if task is None or not tasks.for_task(task).exclusive:
        return None
    methods, y = tasks.for_task(task), domains.source.dataset.targets[answers.rows]
    pseudo = answers.target.argmax(axis=1)
    counts = np.bincount(pseudo, minlength=task.outputs)
    classes = [c for c in np.flatnonzero(counts >= ENOUGH).tolist() if (y == c).any()]
    if len(classes) < 2:
        return None
    use = np.isin(pseudo, classes)
    target = features[len(domains.source) :][use]
    model = methods.fit_linear(target, pseudo[use], outputs=task.outputs, seed=seed)
    back = model.logits(features[answers.rows])
    return Circle(_balanced(y, back, classes), _balanced(y, answers.held, classes), 1 / len(classes))


def _balanced(y: np.ndarray, scores: np.ndarray, classes: list[int]) -> float:
    """Balanced accuracy among these classes."""
    said = np.array(classes)[scores[:, classes].argmax(axis=1)]
    return float(np.mean([(said[y == c] == c).mean() for c in classes]))
