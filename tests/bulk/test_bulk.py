"""Answers for many items as Parquet: those of `predict`, in files that are made once, here or by workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from headstart import bulk
from headstart.cluster import Job
from headstart.cluster.jobs import do, result
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.errors import BundleError, PathError, UnknownName
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.predict.predictor import Opened, Predictor
from headstart.predict.selective import held_out

WORDS = ("good", "bad", "fine", "poor")


class InMemory(Opened):
    @property
    def predictor(self) -> Predictor:
        return Predictor(self.model)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    tensors = {
        "words.idf": np.ones(4, np.float32),
        "head.weight": rng.normal(size=(2, 4)).astype(np.float32),
        "head.bias": np.zeros(2, np.float32),
    }
    reads = TextPreprocessing(WordEncoder(WORDS).to_json(), max_length=16)
    task = Task("classification", ("no", "yes"), "accuracy")
    known = held_out(rng.integers(0, 2, 100), rng.dirichlet(np.ones(2), 100))
    evidence = {"data": {"pairs": False}, "held_out": known}
    made = Model(task, reads, {"kind": "words", "pairs": False}, tensors, evidence=evidence)
    monkeypatch.setattr(bulk, "_open", lambda path: InMemory(made, Path(path)))
    return tmp_path / "model"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    rows = [" ".join(rng.choice(WORDS, 5)) for _ in range(24)]
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(["text", *rows, '" "']) + "\n")
    return path


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    done: list[Job] = []

    class Backwards:
        def results(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Any]]:
            for job in reversed(list(jobs)):
                done.append(job)
                yield job, result(job, do(job.written()))

    @contextmanager
    def opened(name: str) -> Iterator[Backwards]:
        assert name == "backwards"
        yield Backwards()

    monkeypatch.setattr(bulk.cluster, "opened", opened)
    return done


def read(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "*.parquet")


def test_answers_are_those_of_predict(model: Path, texts: Path, tmp_path: Path) -> None:
    found = bulk.predict(model, [texts], tmp_path / "out", part=10, sets=0.9)
    assert (found.files, found.computed, found.items, found.failed) == (3, 3, 25, 1)
    rows, expected = read(tmp_path / "out"), bulk._open(str(model)).predict(texts)
    assert rows.columns == ["file", "label", "probability", "p:no", "p:yes", "set", "unread", "error"]
    assert rows["file"].to_list() == [row.id for row in expected]
    assert rows["label"].to_list() == expected.answers
    assert np.allclose(rows.select("p:no", "p:yes").to_numpy()[:24], expected.scores[:24], atol=1e-6)
    assert set(rows["set"].drop_nulls()) <= {"no", "yes", "no;yes", "yes;no"}
    assert rows["error"].to_list()[:24] == [None] * 24
    ((name, problem),) = found.first
    assert (name, problem) == (expected[24].id, expected[24].error)


def test_workers_make_the_same_files_and_only_those_that_are_missing(
    model: Path, texts: Path, tmp_path: Path, workers: list[Job]
) -> None:
    bulk.predict(model, [texts], tmp_path / "here", part=7)
    told: list[tuple[int, int]] = []
    bulk.predict(
        model, [texts], tmp_path / "there", part=7, on="backwards", progress=lambda _, *at: told.append(at)
    )
    assert read(tmp_path / "here").equals(read(tmp_path / "there"))
    assert told == [(4, 25), (11, 25), (18, 25), (25, 25)]
    (tmp_path / "there" / "part-00002.parquet").unlink()
    again = bulk.predict(model, [texts], tmp_path / "there", part=7, on="backwards")
    assert (again.files, again.computed, len(workers)) == (4, 1, 5)


def test_a_folder_holds_answers_to_one_question(model: Path, texts: Path, tmp_path: Path) -> None:
    bulk.predict(model, [texts], tmp_path / "out")
    with pytest.raises(PathError, match="holds answers to something else"):
        bulk.predict(model, [texts], tmp_path / "out", top=1)
    texts.write_text("text\ngood\n")
    with pytest.raises(PathError, match="holds answers to something else"):
        bulk.predict(model, [texts], tmp_path / "out")
    with pytest.raises(PathError, match="is not empty"):
        bulk.predict(model, [texts], tmp_path)
    with pytest.raises(PathError, match="cannot be used"):
        bulk.predict(model, [texts], texts)
    with pytest.raises(UnknownName, match="did you mean 'top'"):
        bulk.predict(model, [texts], tmp_path / "other", topp=1)


def test_a_worker_does_not_answer_with_another_model(model: Path, texts: Path, tmp_path: Path) -> None:
    given = {
        "model": str(model),
        "is": "another",
        "inputs": [str(texts)],
        "options": {},
        "begin": 0,
        "end": 1,
    }
    with pytest.raises(BundleError, match="is another model now"):
        bulk.write_a_part({**given, "to": str(tmp_path / "part.parquet")})
