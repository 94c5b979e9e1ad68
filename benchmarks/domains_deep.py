"""Deep adapters on digits: MNIST to USPS and back, from one small network trained on the source alone.

    OMP_NUM_THREADS=1 python benchmarks/domains_deep.py --shared FOLDER [--rows 2000] [--epochs 12] [--adapters mcc,dann]

FOLDER holds `data/digits_mnist_usps/digits.npz`. The network is Headstart's small residual one (75,000 weights), trained
from scratch by Headstart on so many rows of the source; adapters see as many rows of the target's training part, without
labels, and are scored on rows of the target that nothing has seen.

One line of JSON for each result: source-only without and with views of glyphs (small rotations, scales, shifts, shears),
the oracle (the network trained on the labels of the target's rows), each adapter at each checkpoint it offers, and what a
witness and BNM say of these; then the choice by these. Nobody's labels choose. The witness is a head on another network's
features, which have not seen the source's labels: it learns the answers for the target and is scored on the source.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import headstart as hs
from headstart import sources
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.source import Source
from headstart.core.split import Fold, Split
from headstart.core.strategy import Adapted, NotApplicable, Request, Settings
from headstart.core.task import CLASSIFICATION, Task
from headstart.measure import validators
from headstart.measure.threads import suited_to
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.planning import adaptation
from headstart.sources.networks import architectures
from headstart.strategies import adapt, scratch
from headstart.strategies.adapt.assess import (
    CLOSE,
    WAY_BACK,
    Assessed,
    assess,
    assess_trained,
    circular,
    diagnosed,
)
from headstart.strategies.gradient import _arm
from headstart.strategies.gradient._training import predict, train_on
from headstart.testing.adapters import ArrayExtractor
from headstart.testing.fakes import MemoryExtractor, TinyBackbone

SIDE, TEST = 28, 1_500
ROWS, EPOCHS, SOURCE_EPOCHS, WITNESS = 1_500, 12, 15, "bundled/strokes"
"""Of a cell of `domains.py`."""
PENALTY = 0.1
"""Of the probes: one for all, so that none is searched for in each of them."""


def network(seed: int) -> Any:
    """The small network with random weights."""
    torch.manual_seed(seed)
    kwargs = {"widths": [16, 24, 32, 64], "strides": [1, 2, 2, 2], "depths": [1, 1, 1, 1], "stem_stride": 2}
    architecture = {"library": "headstart", "arch": "small-resnet", "kwargs": kwargs, "num_classes": 10}
    contract = ImagePreprocessing((SIDE, SIDE), mean=(0.2,) * 3, std=(0.35,) * 3, crop_pct=1.0)
    source = Source("digits", "digits", architecture=architecture, input=contract)
    return sources.backbone_from_module(architectures.build(architecture), source)


def digits(folder: Path, name: str, rows: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """(pictures, labels, whether each is of the part for training), so many rows of this, `TEST` of the other."""
    data = np.load(folder / "data" / "digits_mnist_usps" / "digits.npz")
    if name == "mnist":
        images, y = data["mnist_images"], data["mnist_labels"]
        train = data["mnist_split"] == 0
    else:
        images = np.concatenate([data["usps_train_images"], data["usps_test_images"]])
        y = np.concatenate([data["usps_train_labels"], data["usps_test_labels"]])
        train = np.arange(len(y)) < len(data["usps_train_labels"])
    rng = np.random.default_rng(0)
    kept = np.concatenate(
        [rng.permutation(np.flatnonzero(train))[:rows], rng.permutation(np.flatnonzero(~train))[:TEST]]
    )
    return (
        [np.repeat(images[row][:, :, None], 3, axis=2) for row in kept],
        y[kept].astype(np.int64),
        train[kept],
    )


def request_of(
    source: tuple[Any, ...], target: tuple[Any, ...], settings: Settings
) -> tuple[Request, np.ndarray, np.ndarray]:
    """(request, the target's rows for the test, their labels)."""
    (xs, ys, ours), (xt, yt, theirs) = source, target
    rows, moved = np.flatnonzero(ours), len(xs)
    items = tuple(ArrayItem(f"{i:05d}", picture) for i, picture in enumerate([*xs, *xt]))
    labels = np.full(len(items), -1, np.int64)
    labels[rows] = ys[rows]
    task = Task(CLASSIFICATION, tuple("0123456789"), "accuracy")
    dataset = Dataset("digits", "image", items, task=task, targets=labels)
    place = np.arange(len(rows)) % 5
    folds = tuple(Fold(0, rows[place != part], rows[place == part]) for part in range(5))
    split = Split(rows, np.zeros(0, np.int64), folds, np.arange(len(items)), 0, "5 folds")
    tested = moved + np.flatnonzero(~theirs)
    request = Request(
        dataset,
        task,
        split,
        MemoryExtractor(dataset),
        settings=settings,
        target=moved + np.flatnonzero(theirs),
        penalty=PENALTY,
    )
    return request, tested, yt[~theirs]


def trained(request: Request, epochs: int, augment: str) -> tuple[Any, Any]:
    """(arm, what was trained) by Headstart's own training from scratch on the labelled rows."""
    request = replace(
        request, backbone=network(request.seed), settings=Settings(epochs=epochs, augment=augment)
    )
    design = scratch.design(request)
    rows = np.flatnonzero(request.dataset.targets.known)
    arm = _arm.open_arm(request, design, scratch.Scratch.kind).lasting(epochs, len(rows))
    return arm, train_on(arm, rows)


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def pair(shared: Path, names: tuple[str, str], asked: argparse.Namespace) -> None:
    """One direction."""
    source, target = (digits(shared, name, asked.rows) for name in names)
    settings = Settings(epochs=asked.epochs, augment="glyph", batch_size=64, lr=asked.lr)
    request, tested, y = request_of(source, target, settings)
    about = {"from": names[0], "to": names[1]}

    def right(p: np.ndarray) -> float:
        return round(float((p.argmax(axis=1) == y).mean()), 4)

    for augment in ("none", "glyph"):
        arm, network_trained = trained(request, asked.source_epochs, augment)
        say(**about, what="source only", views=augment, accuracy=right(predict(arm, network_trained, tested)))
    labels = np.full(len(request.dataset), -1, np.int64)
    assert request.target is not None
    labels[request.target] = target[1][target[2]]
    told = replace(request, dataset=replace(request.dataset, targets=labels))
    arm, oracle = trained(told, asked.source_epochs, "glyph")
    say(**about, what="oracle", accuracy=right(predict(arm, oracle, tested)))
    witness = replace(request, features=ArrayExtractor(read(request, asked.witness)), backbone=TinyBackbone())
    request = replace(request, backbone=network_trained.backbone)
    judge, scores = adapt.get(WAY_BACK), {}
    for name in (adapt.NONE, *asked.adapters.split(",")):
        start, adapter = time.process_time(), adapt.get(name)
        try:
            found = adapter.adapt(request)
        except NotApplicable as error:
            say(**about, what=name, refused=str(error))
            continue
        seconds = round(time.process_time() - start, 1)
        offered = getattr(found, "checkpoints", (found,))
        steps = [right(one.predict(tested)) for one in offered]
        answers = [one.predict(request.target) for one in offered]
        back = [round(circular(judge, witness, p), 4) for p in answers]
        bnm = [round(validators.bnm(p), 4) for p in answers]
        scores |= {(name, n): (back[n], bnm[n], steps[n]) for n in range(len(steps))}
        say(**about, what=name, accuracy=steps[-1], checkpoints=steps, witness=back, bnm=bnm, seconds=seconds)
    most = max(back for back, _, _ in scores.values())
    near = [at for at, (back, _, _) in scores.items() if back >= most - CLOSE]
    chosen = max(near, key=lambda at: scores[at][1])
    gain = round(scores[chosen][2] - scores[adapt.NONE, 0][2], 4)
    what = f"chosen by a witness, {asked.witness}"
    say(**about, what=what, adapter=chosen[0], checkpoint=chosen[1], accuracy=scores[chosen][2], gain=gain)


def chosen(shared: Path, names: tuple[str, str], shallow: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """A cell of `domains.py`: what the product's automatic choice makes of the small network, deep adapters in the
    pool. `accuracy` is on the target's rows that nothing has seen, `transductive` on those that were adapted to."""
    began = time.process_time()
    source, target = (digits(shared, name, ROWS) for name in names)
    settings = Settings(epochs=EPOCHS, augment="glyph", batch_size=64)
    request, tested, y = request_of(source, target, settings)
    request = replace(request, seed=seed, penalty=None)
    _, network_trained = trained(request, SOURCE_EPOCHS, "glyph")
    witness = replace(request, features=ArrayExtractor(read(request, WITNESS)), backbone=TinyBackbone())
    request = replace(request, backbone=network_trained.backbone)
    own = target[1][target[2]]
    pool, accuracy, transductive, found = [], {}, {}, None

    def kept(name: str, seen: Assessed, learnt: Adapted | None) -> None:
        pool.append(seen)
        if learnt is not None:
            assert request.target is not None
            accuracy[name] = float((learnt.predict(tested).argmax(axis=1) == y).mean())
            transductive[name] = float((learnt.predict(request.target).argmax(axis=1) == own).mean())

    with suited_to(len(request.dataset)):
        for name in shallow:
            trial, seen, learnt = assess(adapt.get(name), request)
            kept(name, seen, learnt)
            if name == adapt.NONE:
                assert learnt is not None
                shift, found = diagnosed(request, trial, learnt), learnt
                request = replace(request, penalty=float(learnt.choices["C"]))
        decision = adaptation.decide(shift, pool)
        if adaptation.may_train(shift, decision, len(own)):
            assert found is not None
            assert request.target is not None
            unadapted = found.predict(request.target)
            for name in adaptation.TRAINED:
                _, seen, learnt = assess_trained(
                    adapt.get(name), replace(request, penalty=None), witness, unadapted
                )
                kept(name, seen, learnt)
            decision = adaptation.decide(shift, pool)
    return {
        "accuracy": accuracy, "transductive": transductive, "chosen": decision.adapter, "reason": decision.reason,
        "auc": shift.auc, "rows": [int(source[2].sum()), len(own)], "seconds": time.process_time() - began,
        "pool": [one.to_json() for one in pool], "shift": shift.to_json(),
    }  # fmt: skip


def read(request: Request, source: str) -> np.ndarray:
    """Features of every item by another network, which has seen no label of these domains."""
    shown = [
        Image.fromarray(item.array.astype(np.uint8)).resize((SIDE, SIDE)) for item in request.dataset.items
    ]
    return hs.embed(np.stack([np.asarray(one) for one in shown]), source)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=12, help="of the adapters")
    parser.add_argument("--source-epochs", type=int, default=20)
    parser.add_argument("--lr", type=float, default=None)
    parser.add_argument("--adapters", default=",".join(adapt.DEEP))
    parser.add_argument("--witness", default=WITNESS, help="the source through which answers go back")
    parser.add_argument("--pairs", default="mnist-usps,usps-mnist")
    asked = parser.parse_args()
    for one in asked.pairs.split(","):
        source, target = one.split("-")
        pair(asked.shared, (source, target), asked)


if __name__ == "__main__":
    main()
