"""Conformance suite for adapters: what `headstart.core.strategy.Adapter` promises, and what an adapter says
it mends.

    from headstart.testing.adapters import check_adapter
    check_adapter("coral", workdir=tmp_path)

Every check raises `AssertionError` saying what was promised and what was found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headstart import modalities
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.features import FeatureSpec
from headstart.core.split import Fold, Split
from headstart.core.strategy import Adapter, NotApplicable, Request, Trial
from headstart.core.task import CLASSIFICATION, Task
from headstart.planning import adaptation
from headstart.strategies import adapt
from headstart.strategies.adapt.assess import assess, diagnosed
from headstart.testing.fakes import SHAPES, MemoryExtractor, MemoryFeatures, TinyBackbone, shapes
from headstart.testing.strategy import numbers, same

Case = Literal["equal", "linear", "shares", "covariates", "statistics", "destroyed", "noise"]
WIDTH, CLASSES = 24, 3
"""Features of `TinyBackbone`'s embedding, and classes."""
NOISE = 0.05
"""Accuracy that an adapter may lose where the domains are equal."""
GAINED = 0.03
"""Accuracy that must be won at least where a perfect adapter errs, too."""
MENDED = 0.5
"""Share of what was lost by a shift that an adapter which mends it must win back."""


@dataclass(frozen=True)
class Example:
    """A request with its target, and the labels that no adapter sees."""

    request: Request
    y: np.ndarray
    """int64 `[m]`, of `request.target`."""

    def accuracy(self, predictions: np.ndarray) -> float:
        return float((predictions.argmax(axis=1) == self.y).mean())


class ArrayExtractor:
    """Features that are given, as the embedding of any network."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array.astype(np.float32)

    def __call__(self, backbone: Any, spec: FeatureSpec) -> MemoryFeatures:
        found = MemoryFeatures(backbone.digest, spec.taps, 0, 0.0)
        for tap in spec.taps:
            found.arrays[str(tap), 0] = self.array
        return found


def example(case: Case, *, rows: int = 150, seed: int = 0, pictures: bool = False) -> Example:
    """Blobs of three classes as features; for "statistics" pictures, which are paler in the target.

    The target: "equal": the same (with `pictures` as pictures); "linear": columns stretched and moved;
    "shares": one class common, the others rare; "covariates": one side of each blob more common;
    "destroyed": noise without classes; "noise": such noise with the mean and covariance of "linear".
    """
    if case == "statistics" or pictures:
        return _pictures(rows, seed, pale=case == "statistics")
    rng = np.random.default_rng(seed)
    centres = 0.7 * rng.normal(size=(CLASSES, WIDTH))
    shares = [0.8, 0.1, 0.1] if case == "shares" else [1 / 3] * 3
    ys, yt = rng.permutation(np.arange(rows) % CLASSES), rng.choice(CLASSES, rows, p=shares)
    spread = 1.6 if case in ("shares", "covariates") else 1.0
    xs, xt = (centres[y] + spread * rng.normal(size=(rows, WIDTH)) for y in (ys, yt))
    if case in ("linear", "noise"):
        xt = xt * rng.uniform(0.3, 3.0, WIDTH) + rng.normal(0, 4, WIDTH)
    elif case == "covariates":
        # the rule of one half of the space is another one's in the other half: what is seen matters
        kept = rng.permutation(np.argsort(-xt[:, 0])[: rows // 2])
        xt, yt = xt[kept], yt[kept]
    elif case == "destroyed":
        xt = rng.normal(0, xs.std(), (rows, WIDTH)) + rng.normal(0, 4, WIDTH)
    if case == "noise":
        xt = rng.multivariate_normal(xt.mean(axis=0), np.cov(xt, rowvar=False), rows)
    items = tuple(ArrayItem(f"{i:04d}", np.full((2, 2, 3), i % 251, np.uint8)) for i in range(rows + len(xt)))
    task = Task(CLASSIFICATION, SHAPES[:CLASSES], "accuracy")
    return _example(items, task, ys, yt, ArrayExtractor(np.concatenate([xs, xt])))


def _pictures(rows: int, seed: int, *, pale: bool) -> Example:
    source = shapes(classes=CLASSES, per_class=rows // CLASSES, seed=seed)
    target = shapes(classes=CLASSES, per_class=rows // CLASSES, seed=seed + 1)
    assert source.task is not None
    other = tuple(ArrayItem(f"t{item.id}", (70 + 0.35 * item.array if pale else item.array).astype(np.uint8))
                 for item in target.items if isinstance(item, ArrayItem))  # fmt: skip
    return _example((*source.items, *other), source.task, source.targets[:], target.targets[:], None)


def _example(items: tuple[Any, ...], task: Task, ys: np.ndarray, yt: np.ndarray, features: Any) -> Example:
    count, n = len(ys), len(items)
    targets = np.concatenate([ys, np.full(len(yt), -1)])
    dataset = Dataset("both", "image", items, task=task, targets=targets)
    place = np.arange(count) % 3
    folds = tuple(Fold(0, np.flatnonzero(place != p), np.flatnonzero(place == p)) for p in range(3))
    split = Split(np.arange(count), np.zeros(0, np.int64), folds, np.arange(n), 0, "3 folds")
    backbone = TinyBackbone(labels=SHAPES)
    extractor = MemoryExtractor(dataset) if features is None else features
    request = Request(dataset, task, split, extractor, backbone, target=np.arange(count, n), penalty=0.05)
    return Example(request, np.asarray(yt))


def check_adapter(name: str, *, workdir: Path) -> None:
    """Run every check on an adapter of the registry."""
    adapter, about = adapt.get(name), adapt.facts(name)
    assert isinstance(adapter, Adapter), "it lacks a part of the contract"
    assert adapter.name == name == about.name, f"it is called {adapter.name!r} and {about.name!r}"
    assert about.role == "adapt", f"its role is {about.role!r}"
    case = about.mends[0] if about.mends else "equal"
    check_contract(adapter, example(case), workdir)
    check_equal(adapter, pictures="statistics" in about.mends)
    if name != adapt.NONE and "statistics" not in about.mends:
        check_destroyed(adapter)
    for shift in about.mends:
        check_mends(adapter, shift)


def check_contract(adapter: Adapter, given: Example, workdir: Path) -> None:
    """Shapes, probabilities, determinism, out-of-fold predictions, resuming, and a model that says the
    same."""
    request = given.request
    assert request.target is not None
    found = adapter.adapt(request)
    for rows, said in ((request.target, found.predict), (request.split.development, found.of_source)):
        assert rows is not None
        p = said(rows)
        assert p.shape == (len(rows), request.task.outputs), f"predictions {p.shape}"
        assert p.dtype == np.float32, f"predictions are {p.dtype}"
        assert np.isfinite(p).all(), "some predictions are not finite"
        assert np.abs(p.sum(axis=1) - 1).max() < 1e-4, "probabilities do not add up to 1"
    assert json.loads(json.dumps(found.choices)) == found.choices, "its choices are not plain JSON"
    assert np.array_equal(found.predict(request.target), adapter.adapt(request).predict(request.target)), (
        "twice the same gives two answers"
    )
    if isinstance(request.features, ArrayExtractor):
        check_columns(adapter, request)
    trial = adapter.fit(request)
    check_trial(adapter, request, trial)
    again = adapter.fit(replace(request, workdir=workdir))
    assert same(trial, again), "kept in a folder it gives other predictions"
    assert same(trial, adapter.fit(replace(request, workdir=workdir))), "resumed it gives other predictions"
    few = adapter.fit(replace(request, target=request.target[:1]))  # type: ignore[index]
    if adapter.name != adapt.NONE:
        assert few.status == "not applicable", "it adapts to a single item"
        assert few.reason, "it does not say why it does not apply"
    check_model(adapter, request, found, trial)


def check_columns(adapter: Adapter, request: Request) -> None:
    """What it may not look at changes nothing: two halves of the features are two witnesses."""
    columns, array = np.arange(WIDTH) % 2 == 0, request.features.array  # type: ignore[attr-defined]
    part = replace(request, columns=columns)
    other = replace(part, features=ArrayExtractor(np.where(columns, array, array[::-1])))
    one, two = (adapter.adapt(each).predict(request.target) for each in (part, other))  # type: ignore[arg-type]
    assert np.array_equal(one, two), "columns that it may not look at change its answers"


def check_trial(adapter: Adapter, request: Request, trial: Trial) -> None:
    """Out-of-fold predictions of the source's development rows, and of nothing else, that no held-out label
    changes."""
    assert trial.status == "done", f"with all the time it needs it is {trial.status!r}: {trial.reason}"
    assert trial.arm == request.arm(adapter.name), f"its arm is called {trial.arm!r}"
    held = np.isin(np.arange(len(request.dataset)), request.split.development)
    assert np.array_equal(trial.covered[0], held), "it does not predict every source row, or others too"
    fold = request.split.folds[0]
    y = np.array(request.dataset.y)
    y[fold.test] = (y[fold.test] + 1) % request.task.outputs
    other = adapter.fit(replace(request, dataset=replace(request.dataset, targets=y)))
    assert np.array_equal(numbers(trial)[0, fold.test], numbers(other)[0, fold.test]), (
        "the labels of held-out rows change their predictions"
    )


def check_model(adapter: Adapter, request: Request, found: Any, trial: Trial) -> None:
    """An ordinary model: assembled, it says of target items what `predict` says (where features are real)."""
    from headstart import nets

    model = adapter.refit(request, trial)
    assert model.fingerprint() == found.model().fingerprint(), "refitted, it is another model"
    assert model.task == request.task
    json.dumps(dict(model.net)), json.dumps(dict(model.source))
    for name, tensor in model.tensors.items():
        assert np.isfinite(tensor).all(), f"{name} holds numbers that are not finite"
    if not isinstance(request.features, MemoryExtractor):
        return
    import torch

    rows = request.target[:16]  # type: ignore[index]
    modality = modalities.get(request.dataset.modality)
    prepared = modality.collate(
        [modality.prepare(request.dataset.items[row].read(), model.input) for row in rows]
    )
    if model.net.get("architecture", {}).get("library") == "fake":
        answers = _tiny_answers(model, prepared)
    else:
        net = nets.assemble(model.net, model.tensors, model.input, model.task)
        answers = net(torch.from_numpy(prepared)).numpy()
    assert np.abs(answers - found.predict(rows)).max() < 0.02, "its model says something else"


def _tiny_answers(model: Any, prepared: np.ndarray) -> np.ndarray:
    """Those of a "taps" model whose trunk is a `TinyNetwork`, which `nets` cannot assemble."""
    import torch

    from headstart.core.features import Tap

    twin = TinyBackbone()
    state = {
        k.removeprefix("trunk."): torch.from_numpy(v) for k, v in model.tensors.items() if k[:6] == "trunk."
    }
    twin.module.load_state_dict(state)
    taps = [Tap.parse(name) for name in model.net["taps"]]
    with torch.inference_mode():
        states = twin.states(twin.normalise(torch.from_numpy(prepared)), tuple(tap.stage for tap in taps))
        x = torch.cat([twin.pool(states[tap.stage], tap) for tap in taps], 1).numpy()
    z = x @ model.tensors["head.weight"].T + model.tensors["head.bias"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def accuracies(adapter: Adapter, given: Example) -> tuple[float, float]:
    """(of no adaptation, of the adapter), on the target."""
    before = adapt.get(adapt.NONE).adapt(given.request).predict(given.request.target)  # type: ignore[arg-type]
    after = adapter.adapt(given.request).predict(given.request.target)  # type: ignore[arg-type]
    return given.accuracy(before), given.accuracy(after)


def check_equal(adapter: Adapter, *, pictures: bool) -> None:
    """Where source and target are the same, accuracy stays what it was within noise, on average of three."""
    pairs = []
    for seed in range(3):
        try:
            pairs.append(accuracies(adapter, example("equal", seed=seed, pictures=pictures)))
        except NotApplicable:
            return
    before, after = np.mean(pairs, axis=0)
    assert after >= before - NOISE, f"equal domains: {before:.3f} becomes {after:.3f}"


def check_destroyed(adapter: Adapter) -> None:
    """A target without any classes is refused by the guard, whatever the adapter says of it; also where means
    and covariances are as if it had some."""
    for case in ("destroyed", "noise"):
        given = example(case)
        before, base, found = assess(adapt.get(adapt.NONE), given.request)
        assert found is not None
        _, seen, _ = assess(adapter, given.request)
        decision = adaptation.decide(diagnosed(given.request, before, found), [base, seen])
        assert decision.decision == "kept", f"a target without classes is adapted to: {decision.reason}"


def check_mends(adapter: Adapter, shift: Case) -> None:
    """A shift that it says it mends, on average of three: half of the errors at least are gone; where classes
    overlap, and so some stay, a few points are won."""
    before, after = np.mean([accuracies(adapter, example(shift, seed=seed)) for seed in range(3)], axis=0)
    least = GAINED if shift in ("shares", "statistics") else MENDED * (1 - before)
    assert after >= before + least, f"{shift}: {before:.3f} becomes {after:.3f}"
