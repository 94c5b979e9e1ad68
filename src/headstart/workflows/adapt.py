"""Adapt a finished run to unlabelled items of where it will be used, if there is evidence that it would help.

No step but the last reads a label of the target: the data set that adapters get has none, and the file of
labels is opened when everything is decided.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities, nets, sources, strategies, tasks
from headstart.core import environment, fingerprint, words
from headstart.core.backbone import Backbone
from headstart.core.budget import Budget, parse_seconds
from headstart.core.budget import words as seconds_in_words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.features import Tap
from headstart.core.model import Model
from headstart.core.strategy import Adapted, Request, arm_name
from headstart.core.untrusted import Damaged, parsing
from headstart.data import splits
from headstart.data.checks import doctor
from headstart.data.checks.domains import KINDS
from headstart.data.items.entries import BadItem
from headstart.errors import DataError, PathError, RunError
from headstart.measure import threads
from headstart.passes.extractor import StoreExtractor
from headstart.planning import adaptation
from headstart.planning.adaptation import Decision
from headstart.predict.predictor import Predictor
from headstart.run.state.folder import RunFolder, load_trial, read_finished, slug
from headstart.store.store import FeatureStore
from headstart.strategies import adapt as adapters
from headstart.strategies.adapt.assess import Assessed, Shift, assess, assess_trained, at, diagnosed
from headstart.strategies.shared._folds import OutOfTime
from headstart.strategies.shared._shipping import state
from headstart.tasks.base import Confidence
from headstart.workflows import domain_run, label_next
from headstart.workflows.inputs.finished import best_source, data_of
from headstart.workflows.target_labels import Verdict, judged, read_labels


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    out: Path
    budget: str | float = "5min"
    labels: Any = None
    """Labelled items of the target, as `headstart.load` reads them; looked at when all is decided."""
    seed: int = 0
    labelled: Any = None
    """The run's data, where it is not at the place it was read from."""
    download: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of tables: `path_column`, `text_column`, `pair_column`; those of the run's data if there."""
    made_by: str = ""
    """The command that asked for it, where that is another."""

    def command(self, folder: Path, inputs: Any) -> str:
        """The command line that asks for the same; "" where something was given in Python."""
        several = inputs if isinstance(inputs, list | tuple) else [inputs]
        if self.made_by:
            return self.made_by
        if not all(isinstance(one, str | Path) for one in (*several, self.labels or "", self.labelled or "")):
            return ""
        parts = ["headstart", "adapt", str(folder), *map(str, several), "--seed", str(self.seed)]
        parts += ["--budget", f"{self.seconds:g}s", "--out", str(self.out)]
        more = {"labels": self.labels, "data": self.labelled, **self.columns}
        for name, value in more.items():
            parts += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join(parts)

    @property
    def seconds(self) -> float:
        """Raises `BadOption`."""
        return parse_seconds(self.budget) if isinstance(self.budget, str) else float(self.budget)


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

    Raises `DataError` for a target that cannot be used, `RunError` for a run whose answers are no classes,
    `BadOption` for options, `SourceError` for a source that is not what it was.
    """
    budget = Budget(wanted.seconds)
    record = read_finished(folder)
    request, witness, unreadable = _request(folder, record, predictor.model, inputs, wanted)
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
        pool, learnt, shift = _pool(place, request, budget, listen)
        decision = adaptation.decide(shift, pool, request.task.labels)
        if adaptation.may_train(shift, decision, len(request.target)):  # type: ignore[arg-type]
            unadapted = _learnt(request, pool[0], learnt).predict(request.target)  # type: ignore[arg-type]
            pool += _trained(place, replace(request, budget=budget), witness, unadapted, learnt, listen)
            decision = adaptation.decide(shift, pool, request.task.labels)
        _tell(listen, "decision", decision.reason)
        verdict = None
        if wanted.labels is not None:
            verdict = _by_labels(wanted.labels, request, decision, pool, learnt)
            decision = verdict.decision
            _tell(listen, "labels", decision.reason)
        answer = {
            **decision.to_json(),
            "transfer": "transductive" if verdict is None else "inductive",
            "kind_of_transfer": KINDS["transductive" if verdict is None else "inductive"],
            "shift": shift.to_json(),
            "pool": [one.to_json() for one in pool],
            "target": {"items": len(request.target), "unreadable": unreadable},  # type: ignore[arg-type]
            "labels": None if verdict is None else verdict.to_json(),
            "base_rate_of_harm": adaptation.HARM,
            "seconds": budget.spent,
        }
        learned: Adapted | None = None
        model = predictor.model
        if decision.decision == "adapted":
            chosen = next(one for one in pool if one.adapter == decision.adapter)
            learned = _learnt(request, chosen, learnt)
            model = _model(request, predictor.model, learned, answer)
        answer["names"] = [record["name"], domain_run.named(inputs)]
        answer["command"] = wanted.command(folder, inputs)
        shown = domain_run.drawn(request, _learnt(request, pool[0], learnt), learned)
        domain_run.write(place, folder, record, model, answer, request, shown)
        return Adaptation(wanted.out, answer)


def _tell(listen: Listener, label: str, text: str) -> None:
    listen(Event("note", {"label": label, "text": text}))


def _request(
    folder: Path, record: Mapping[str, Any], model: Model, inputs: Any, wanted: Wanted
) -> tuple[Request, Request, int]:
    """What adapters may touch, the same with a network that has not seen the source's labels, and how many
    items of the target cannot be read."""
    task = model.task
    methods = tasks.for_task(task)
    if not (methods.exclusive and isinstance(methods, Confidence)):
        raise RunError(
            folder,
            f"its answers are not one class an item ({methods.about(task)}): adapters are chosen by classes "
            "that come back (circular validation)",
            "give labels of the target to `headstart fit` instead",
        )
    ask = label_next.Wanted(columns=wanted.columns)
    items = label_next.pool_items(Predictor(model), inputs, ask, record)
    whole = data_of(folder, record, wanted.labelled)
    known = whole.subset(np.flatnonzero(whole.labelled))
    given = known.task
    if given is None or given.kind != task.kind or not set(given.labels) <= set(task.labels):
        raise RunError(folder, "the labelled data has other labels than the run", "give the data of this run")
    levels = model.input.levels
    pool = Dataset("target", known.modality, tuple(items), pairs=known.pairs, levels=levels)
    target, bad = _usable(pool, known)
    y = np.array([task.labels.index(given.labels[number]) for number in known.targets[:]], np.int64)
    split = splits.make_split(known, seed=wanted.seed)
    n = len(known) + len(target)
    both = Dataset(
        "both", known.modality, (*known.items, *target.items), task,
        np.concatenate([y, np.full(len(target), -1)]), pairs=known.pairs, levels=levels,
    ).view(labels=split.development)  # fmt: skip
    free = int(split.groups.max(initial=0)) + 1
    split = replace(split, groups=np.concatenate([split.groups, free + np.arange(len(target))]))
    backbone, taps, original = _base(folder, record, model, wanted, known)
    request = Request(
        both, task, split, StoreExtractor(FeatureStore.default(), both), backbone, seed=wanted.seed,
        target=np.arange(len(known), n), taps=taps,
    )  # fmt: skip
    return request, replace(request, backbone=original, taps=()), bad


def _usable(pool: Dataset, known: Dataset) -> tuple[Dataset, int]:
    """The items that can be read, and how many cannot. Raises `DataError` for what nothing can be learnt
    from, `PathError` where nothing is."""
    one, several = modalities.nouns(pool.modality, pairs=pool.pairs)
    if not len(pool):
        raise DataError("the target", f"there are no {several} in it", "name where they are")
    target, errors = doctor.readable(pool)
    if not len(target):
        for item in pool.items:
            if isinstance(item, BadItem):
                raise PathError(item.id, item.problem, f"name where the {several} of the target are")
        raise DataError(
            "the target", f"none of {words.count(len(pool), one, several)} can be read; the first: "
            f"{errors[0].where}: {errors[0].message}", "check them with `headstart check`",
        )  # fmt: skip
    different = set(target.digests())
    if len(different) < 2:
        what = f"it is a single {one}" if len(target) == 1 else f"all {len(target):,} {several} are the same"
        raise DataError("the target", f"{what}: a domain is told by many different ones", "give more")
    if different <= set(known.digests()):
        raise DataError(
            "the target", f"its {several} are the run's own labelled ones: there is nothing to adapt to",
            f"give {several} of where the model will be used",
        )  # fmt: skip
    return target, len(pool) - len(target)


def _base(
    folder: Path, record: Mapping[str, Any], model: Model, wanted: Wanted, known: Dataset
) -> tuple[Backbone, tuple[Tap, ...], Backbone]:
    """The network whose features are adapted and what the head reads of it: those of the shipped model
    where it is a head on taps, else those of the best probe; and the network as its source has it."""
    name, backbone = best_source(folder, record, known, download=wanted.download)
    if nets.kind_of(model.net) == "taps":
        taps = tuple(map(Tap.parse, model.net["taps"]))
        trunk = {k.removeprefix("trunk."): v for k, v in model.tensors.items() if k.startswith("trunk.")}
        own = state(backbone.module, "trunk")
        if all(np.array_equal(own.get(f"trunk.{k}", np.zeros(0)), v) for k, v in trunk.items()):
            return backbone, taps, backbone  # whose features are stored already
        return sources.from_state(model.net["architecture"], model.input, trunk), taps, backbone
    trial = folder / "trials" / slug(arm_name(strategies.ranking(), name)) / "trial.json"
    chosen = load_trial(trial).choices.get("taps", ()) if trial.is_file() else ()
    return backbone, tuple(map(Tap.parse, chosen)), backbone


def _pool(
    place: RunFolder, request: Request, budget: Budget, listen: Listener
) -> tuple[list[Assessed], dict[str, Adapted], Shift]:
    """Every adapter assessed as far as the budget goes, what those that ran now have learnt, and the
    shift."""
    known = {trial.strategy: trial for trial in place.trials().values()}
    pool: list[Assessed] = []
    learnt: dict[str, Adapted] = {}
    slowest = 0.0
    shift: Shift | None = None
    for name in adapters.ADAPTERS:
        adapter, arm, began = adapters.get(name), request.arm(name), budget.spent
        kept = _kept(known.get(name))
        if kept is not None and name != adapters.NONE:
            pool.append(kept)
            continue
        own = replace(request, workdir=place.workdir(arm), budget=Budget() if shift is None else budget)
        with threads.suited_to(len(request.dataset)):
            try:
                if shift is not None and budget.left < slowest:
                    raise OutOfTime
                trial, seen, found = assess(adapter, own)
            except OutOfTime:
                pool.append(_out_of_time(name, budget))
                continue
            place.save_trial(replace(trial, choices={**trial.choices, "assessed": seen.to_json()}))
            if found is None:
                text = f"not applicable: {seen.refused}"
            else:
                learnt[name] = found
                text = f"{seen.circular:.3f} of the source comes back, {seen.source:.3f} held out"
            if name == adapters.NONE:
                if found is None:
                    raise DataError("the target", seen.refused, "give more items")
                shift = diagnosed(request, trial, found)
                if not trial.choices["folds"][0].get("ridge"):
                    request = replace(request, penalty=float(found.choices["C"]))
        slowest = max(slowest, budget.spent - began)
        _tell(listen, adapters.facts(name).title, text)
        pool.append(seen)
    assert shift is not None
    return pool, learnt, shift


def _trained(
    place: RunFolder,
    request: Request,
    witness: Request,
    unadapted: np.ndarray,
    learnt: dict[str, Adapted],
    listen: Listener,
) -> list[Assessed]:
    """The cheapest adapters that train the network, assessed while time is left."""
    known = {trial.strategy: trial for trial in place.trials().values()}
    budget, pool, longest = request.budget, [], 0.0
    for name in adaptation.TRAINED:
        adapter, arm, began = adapters.get(name), request.arm(name), request.budget.spent
        kept = _kept(known.get(name))
        if kept is not None:
            pool.append(kept)
            continue
        own = replace(request, workdir=place.workdir(arm))
        try:
            if budget.left < max(longest, adaptation.SPARE * (budget.seconds or 0) * (not pool)):
                raise OutOfTime
            with threads.suited_to(len(request.dataset)):
                trial, seen, found = assess_trained(adapter, own, witness, unadapted)
        except OutOfTime:
            pool.append(_out_of_time(name, budget))
            continue
        place.save_trial(replace(trial, choices={**trial.choices, "assessed": seen.to_json()}))
        if found is None:
            text = f"not applicable: {seen.refused}"
        else:
            learnt[name] = found
            text = f"{seen.circular:.3f} of the source comes back instead of {seen.base[0]:.3f}"
        longest = max(longest, budget.spent - began)
        _tell(listen, adapters.facts(name).title, text)
        pool.append(seen)
    return pool


def _out_of_time(name: str, budget: Budget) -> Assessed:
    return Assessed(name, f"no time is left ({seconds_in_words(budget.seconds or 0)} were given)")


def _kept(trial: Any) -> Assessed | None:
    """What was found by a call before this one; None where there is nothing of use."""
    if trial is None or "assessed" not in trial.choices:
        return None
    try:
        with parsing():
            found = Assessed.from_json(trial.choices["assessed"])
    except Damaged:
        return None
    return found if found.refused or found.agreement or found.base else None  # earlier versions had none


def _likeliest(decision: Decision, pool: list[Assessed]) -> str:
    """What is held against no adaptation on labels: what was decided on, else what comes nearest."""
    if decision.adapter != adapters.NONE:
        return decision.adapter
    able = [one for one in pool if not one.refused and one.adapter != adapters.NONE]
    return max(able, key=lambda one: one.circular).adapter if able else adapters.NONE


def _by_labels(
    labels: Any, request: Request, decision: Decision, pool: list[Assessed], learnt: dict[str, Adapted]
) -> Verdict:
    """What labelled items of the target say of the untouched model and of the likeliest adapter."""
    best, labelled = _likeliest(decision, pool), read_labels(labels, request)
    found = {
        one.adapter: _learnt(request, one, learnt) for one in pool if one.adapter in (adapters.NONE, best)
    }
    return judged(request, labelled, found[adapters.NONE], found[best], best, decision)


def _learnt(request: Request, one: Assessed, learnt: dict[str, Adapted]) -> Adapted:
    if one.adapter not in learnt:  # found by a call before this one
        learnt[one.adapter] = at(adapters.get(one.adapter).adapt(request), one.checkpoint)
    return learnt[one.adapter]


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
    contract = model.input if adapters.facts(answer["adapter"]).trains else before.input
    return replace(model, input=contract, source=before.source or model.source, evidence={**kept, **told})
