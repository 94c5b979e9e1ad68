"""Adapt a finished run to unlabelled items of where it will be used, if there is evidence that it would help.

No step but the last reads a label of the target: the data set that adapters get has none, and the file of
labels is opened when everything is decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core import environment, fingerprint
from headstart.core.budget import Budget
from headstart.core.budget import words as seconds_in_words
from headstart.core.events import Event, Listener, ignore
from headstart.core.model import Model
from headstart.core.strategy import Adapted, Request, Trial
from headstart.core.untrusted import Damaged, parsing
from headstart.data.checks.domains import KINDS
from headstart.errors import DataError
from headstart.measure import threads
from headstart.planning import adaptation
from headstart.planning.adaptation import Decision
from headstart.predict.predictor import Predictor, predict
from headstart.run.state.folder import RunFolder, read_finished
from headstart.strategies import adapt as adapters
from headstart.strategies.adapt.assess import Assessed, Shift, assess, assess_trained, at, diagnosed
from headstart.strategies.shared._folds import OutOfTime
from headstart.workflows import domain_run, label_next
from headstart.workflows.domain_request import Wanted, by_classes, request_of
from headstart.workflows.target_labels import Verdict, judged, read_labels
from headstart.workflows.target_labels.race import race


@dataclass(frozen=True)
class Adaptation:
    """What was decided, and where the run lies whose model follows it."""

    folder: Path
    record: dict[str, Any] = field(repr=False)
    """`decision` ("adapted" or "kept"), `adapter`, `reason`, `expected_gain`, `transfer`, `shift`, `pool`,
    ..."""

    @property
    def decision(self) -> str:
        return str(self.record["decision"])

    @property
    def adapter(self) -> str:
        return str(self.record["adapter"])

    @property
    def reason(self) -> str:
        return str(self.record["reason"])

    def to_json(self) -> dict[str, Any]:
        return {"run": str(self.folder), **self.record}


def adapt(
    folder: Path, predictor: Predictor, inputs: Any, wanted: Wanted, listen: Listener = ignore
) -> Adaptation:
    """Diagnose the shift, try the adapters within the budget, decide by `planning.adaptation`, write a run.

    `folder` is that of a finished run, `predictor` its shipped model, `inputs` anything it predicts. Where
    nothing is adapted, the run written has the untouched model and says why. The same call goes on where it
    was stopped.

    Raises `DataError` for a target or labels that cannot be used, `RunError` for a run whose answers are not
    one class an item without labels, `BadOption` for options, `SourceError` for a source that is not what it
    was.
    """
    budget = Budget(wanted.seconds)
    record = read_finished(folder)
    ask = label_next.Wanted(columns=wanted.columns)
    items = partial(label_next.pool_items, Predictor(predictor.model), inputs, ask, record)
    request, witness, unreadable = request_of(folder, record, predictor.model, items, wanted)
    question = {
        **record["question"],
        "adapts": predictor.model.fingerprint(),
        # by content: the same items may be named from another place
        "domains": fingerprint.of_parts([*request.dataset.digests(), request.split.fingerprint()]),
        "seed": wanted.seed,
        "adapters": list(adapters.ADAPTERS),
    }
    with RunFolder(wanted.out) as place:
        place.begin(question)
        if by_classes(request.task):
            found = _guarded(place, request, witness, budget, wanted.labels, listen)
        else:
            labelled = read_labels(wanted.labels, request, (record.get("reading") or {}).get("label_column"))
            said = predict(predictor.model, request.dataset.subset(labelled.rows))
            raced = race(request, labelled, said.scores)
            _tell(listen, "labels", raced.decision.reason)
            if raced.trial is not None:
                place.save_trial(raced.trial)
            found = _Found(raced.decision, raced.learned, {"labels": raced.to_json()})
        transfer = "transductive" if wanted.labels is None else "inductive"
        answer = {
            **found.decision.to_json(),
            "transfer": transfer,
            "kind_of_transfer": KINDS[transfer],
            "shift": None,
            "pool": [],
            "target": {"items": len(request.target), "unreadable": unreadable},  # type: ignore[arg-type]
            "labels": None,
            "base_rate_of_harm": adaptation.HARM,
            **found.told,
            "seconds": budget.spent,
        }
        learned = found.learned
        model = predictor.model if learned is None else _model(request, predictor.model, learned, answer)
        answer["names"] = [record["name"], domain_run.named(inputs)]
        answer["command"] = wanted.command(folder, inputs)
        domain_run.write(place, folder, record, model, answer, request, found.shown)
        return Adaptation(wanted.out, answer)


@dataclass(frozen=True)
class _Found:
    """What was decided, and by what."""

    decision: Decision
    learned: Adapted | None
    """What ships; None where the model stays."""
    told: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)
    """Both domains in one map."""


def _guarded(
    place: RunFolder, request: Request, witness: Request, budget: Budget, labels: Any, listen: Listener
) -> _Found:
    """What the pool of adapters comes to, by the rules, and by labels of the target if there are any."""
    tries = _Pool(place, budget, listen)
    pool = tries.found
    shift = _shallow(tries, request)
    decision = adaptation.decide(shift, pool, request.task.labels)
    if adaptation.may_train(shift, decision, len(request.target)):  # type: ignore[arg-type]
        unadapted = tries.learnt(pool[0]).predict(request.target)  # type: ignore[arg-type]
        _trained(tries, request, witness, unadapted)
        decision = adaptation.decide(shift, pool, request.task.labels)
    _tell(listen, "decision", decision.reason)
    verdict = None
    if labels is not None:
        verdict = _by_labels(labels, request, decision, tries)
        decision = verdict.decision
        _tell(listen, "labels", decision.reason)
    learned = None
    if decision.decision == "adapted":
        learned = tries.learnt(next(one for one in pool if one.adapter == decision.adapter))
    told = {
        "shift": shift.to_json(),
        "pool": [one.to_json() for one in pool],
        "labels": None if verdict is None else verdict.to_json(),
    }
    shown = domain_run.drawn(request, tries.learnt(pool[0]), learned)
    return _Found(decision, learned, told, shown)


def _tell(listen: Listener, label: str, text: str) -> None:
    listen(Event("note", {"label": label, "text": text}))


Found = tuple[Trial, Assessed, Adapted | None]
"""A trial, what is known of the adapter, and what it has learnt; None where it cannot be used."""


@dataclass
class _Pool:
    """The adapters assessed so far."""

    place: RunFolder
    budget: Budget
    listen: Listener
    found: list[Assessed] = field(default_factory=list)
    asked: dict[str, Request] = field(default_factory=dict)
    """By adapter."""
    known: dict[str, Adapted] = field(default_factory=dict)
    """What those that ran now have learnt."""

    def learnt(self, one: Assessed) -> Adapted:
        """What an adapter has learnt, at the checkpoint that was assessed."""
        if one.adapter not in self.known:  # found by a call before this one
            request = replace(self.asked[one.adapter], budget=Budget())
            self.known[one.adapter] = at(adapters.get(one.adapter).adapt(request), one.checkpoint)
        return self.known[one.adapter]

    def tried(
        self, name: str, request: Request, by: Callable[..., Found], needed: float
    ) -> tuple[Trial, Adapted | None] | None:
        """An adapter assessed, and kept for the next call. None where an earlier call has, or where less than
        `needed` seconds or not enough of them are left."""
        arm = request.arm(name)
        self.asked[name] = request
        kept = self._kept(name) if name != adapters.NONE else None
        if kept is not None:
            self.found.append(kept)
            return None
        try:
            if self.budget.left < needed:
                raise OutOfTime
            with threads.suited_to(len(request.dataset)):
                trial, seen, found = by(adapters.get(name), replace(request, workdir=self.place.workdir(arm)))
        except OutOfTime:
            why = f"no time is left ({seconds_in_words(self.budget.seconds or 0)} were given)"
            self.found.append(Assessed(name, why))
            return None
        self.place.save_trial(replace(trial, choices={**trial.choices, "assessed": seen.to_json()}))
        if found is None:
            text = f"not applicable: {seen.refused}"
        else:
            self.known[name] = found
            beside = f"instead of {seen.base[0]:.3f}" if seen.base else f"{seen.source:.3f} held out"
            text = f"{seen.circular:.3f} of the source comes back, {beside}"
        _tell(self.listen, adapters.facts(name).title, text)
        self.found.append(seen)
        return trial, found

    def _kept(self, name: str) -> Assessed | None:
        """What was found by a call before this one; None where there is nothing of use."""
        trial = next((one for one in self.place.trials().values() if one.strategy == name), None)
        if trial is None or "assessed" not in trial.choices:
            return None
        try:
            with parsing():
                found = Assessed.from_json(trial.choices["assessed"])
        except Damaged:
            return None
        return found if found.refused or found.agreement else None  # earlier versions had none


def _shallow(pool: _Pool, request: Request) -> Shift:
    """Every adapter assessed as far as the budget goes, no adaptation whatever it takes; and the shift."""
    shift: Shift | None = None
    slowest = -math.inf
    for name in adapters.ADAPTERS:
        began = pool.budget.spent
        own = replace(request, budget=Budget() if shift is None else pool.budget)
        done = pool.tried(name, own, assess, slowest)
        if done is None:
            continue
        trial, found = done
        slowest = max(slowest, pool.budget.spent - began)
        if name == adapters.NONE:
            if found is None:
                raise DataError("the target", pool.found[0].refused, "give more items")
            shift = diagnosed(request, trial, found)
            if not trial.choices["folds"][0].get("ridge"):
                request = replace(request, penalty=float(found.choices["C"]))
    assert shift is not None
    return shift


def _trained(pool: _Pool, request: Request, witness: Request, unadapted: np.ndarray) -> None:
    """The cheapest adapters that train the network, assessed while time is left."""
    by, longest = partial(assess_trained, witness=witness, unadapted=unadapted), 0.0
    spare = adaptation.SPARE * (pool.budget.seconds or 0)
    for name in adaptation.TRAINED:
        began = pool.budget.spent
        if pool.tried(name, replace(request, budget=pool.budget), by, longest or spare) is not None:
            longest = max(longest, pool.budget.spent - began)


def _likeliest(decision: Decision, pool: list[Assessed]) -> str:
    """What is held against no adaptation on labels: what was decided on, else what comes nearest."""
    if decision.adapter != adapters.NONE:
        return decision.adapter
    able = [one for one in pool if not one.refused and one.adapter != adapters.NONE]
    return max(able, key=lambda one: one.circular).adapter if able else adapters.NONE


def _by_labels(labels: Any, request: Request, decision: Decision, tries: _Pool) -> Verdict:
    """What labelled items of the target say of the untouched model and of the likeliest adapter."""
    best, labelled = _likeliest(decision, tries.found), read_labels(labels, request)
    found = {one.adapter: tries.learnt(one) for one in tries.found if one.adapter in (adapters.NONE, best)}
    return judged(request, labelled, found[adapters.NONE], found[best], best, decision)


def _model(request: Request, before: Model, found: Adapted, answer: Mapping[str, Any]) -> Model:
    """The adapted model as it ships."""
    model = found.model()
    told = {
        "adapted": {name: answer[name] for name in ("adapter", "reason", "expected_gain")},
        "seed": request.seed,
        "metric": before.task.metric,
        "versions": environment.versions(),
    }
    kept = {name: before.evidence[name] for name in ("arm", "data", "verdict") if name in before.evidence}
    # what a training reads may be stored, and so of another size, than what the model before it did
    contract = model.input if answer["adapter"] in adapters.DEEP else before.input
    return replace(model, input=contract, source=before.source or model.source, evidence={**kept, **told})
