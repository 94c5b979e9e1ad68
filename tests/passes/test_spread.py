"""Passes that workers share: the same rows, each made once, and no part in a pass over other data."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart import sources
from headstart.cluster import Job
from headstart.cluster.jobs import do, result
from headstart.core.features import FeatureSpec
from headstart.errors import JobError
from headstart.passes.extractor import StoreExtractor
from headstart.passes.spread import Spread
from headstart.store.store import FeatureStore
from headstart.testing.texts import WORDS, sentences

ITEMS = 300


class Threads:
    """A worker that begins before the run does, in a thread of its own."""

    count = 2

    def __init__(self) -> None:
        self.said: list[str] = []

    @contextmanager
    def beside(self, job: Job) -> Iterator[None]:
        thread = threading.Thread(target=lambda: self.said.append(do(job.written())))
        thread.start()
        thread.join()  # who comes later finds nothing left to do
        self.job = job
        yield


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = [f"{word} {' '.join(f'{v:.3f}' for v in rng.normal(size=4))}" for word in WORDS]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n")
    kept = [f"{item.read().decode()}\n" for item in sentences(per_class=ITEMS // 3).items]
    (tmp_path / "texts.csv").write_text("text\n" + "".join(kept))
    return tmp_path


def extracted(folder: Path, cache: str, workers: Threads | None) -> tuple[np.ndarray, float]:
    dataset, backbone = hs.load(folder / "texts.csv"), sources.load(f"vectors:{folder}/v.txt")
    extractor = StoreExtractor(FeatureStore(folder / cache), dataset)
    spec = FeatureSpec(taps=backbone.taps())
    if workers is None:
        features = extractor(backbone, spec)
    else:
        with Spread(workers, str(folder / "texts.csv"), {}, 0)(extractor, backbone, spec):
            features = extractor(backbone, spec)
    return np.asarray(features.tap(spec.taps[0])[np.arange(len(dataset))]), features.forward_passes


def test_rows_are_the_same_and_made_once(texts: Path) -> None:
    alone, passes = extracted(texts, "alone", None)
    workers = Threads()
    shared, left = extracted(texts, "shared", workers)
    assert np.array_equal(alone, shared)
    assert (passes, left) == (1.0, 0.0)
    assert json.loads(workers.said[0]) == {"result": 1.0}
    assert not list((texts / "shared" / "jobs").iterdir()), "what the workers were told is gone"
    again = Threads()
    assert extracted(texts, "shared", again)[1] == 0.0
    assert not again.said, "nobody is asked where nothing is missing"


@pytest.mark.parametrize(
    ("changed", "said"), [("text\nother words\n", "is not the same there"), (None, "no such")]
)
def test_who_sees_other_data_has_no_part(texts: Path, changed: str | None, said: str) -> None:
    class Late(Threads):
        @contextmanager
        def beside(self, job: Job) -> Iterator[None]:
            path = texts / "texts.csv"
            path.unlink() if changed is None else path.write_text(changed)
            with pytest.raises(JobError, match=said):
                result(job, do(job.written()))
            yield

    assert extracted(texts, "cache", Late())[1] == 1.0, "the run makes it by itself"
