"""The journey of a user with a table of texts, command by command.

The source is a BERT of random weights in a Hugging Face folder: small enough for a test, and read as a real one.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from headstart.core import fingerprint
from headstart.core.dataset import TextItem
from headstart.testing.texts import FILLERS, TOPICS, WORDS, sentences

pytest.importorskip("transformers")
pytestmark = pytest.mark.slow
BUDGET = ("--budget", "15s")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny encoder that knows the words of `sentences`."""
    from made.pretrained import write_model

    folder = write_model(tmp_path_factory.mktemp("source") / "tiny", "bert", words=WORDS)
    return f"hf:{folder}"


def write(path: Path, *, pairs: bool = False, kind: str = "classification", per_class: int = 12) -> Path:
    """A table of labelled texts, every fourth of them in the test part."""
    dataset = sentences(kind, per_class=per_class, pairs=pairs, telling=4)
    assert dataset.task is not None
    assert dataset.y is not None
    rows = []
    for number, (item, y) in enumerate(zip(dataset.items, dataset.y, strict=True)):
        assert isinstance(item, TextItem)
        row: dict[str, Any] = {"sentence1" if pairs else "review": item.text}
        if pairs:
            row["sentence2"] = item.second
        if kind == "classification":
            row["label"] = dataset.task.labels[y]
        elif kind == "regression":
            row["label"] = float(y) + 0.5
        else:
            row["label"] = ";".join(n for n, on in zip(dataset.task.labels, y, strict=True) if on) or "none"
        row["split"] = "test" if number % 4 == 3 else "train"
        rows.append(row)
    frame = pl.DataFrame(rows)
    {".csv": frame.write_csv, ".parquet": frame.write_parquet}[path.suffix](path)
    return path


@pytest.fixture(scope="module")
def fitted(source: str, tmp_path_factory: pytest.TempPathFactory, forked: Any) -> Path:
    """A finished run that the tests below share."""
    where = tmp_path_factory.mktemp("texts")
    write(where / "größe.csv")
    done = forked(where, "fit", "größe.csv", "--source", source, *BUDGET)
    assert done.returncode == 0, done.stdout + done.stderr
    (where / "told.txt").write_text(done.stdout)
    return where / "runs" / "größe-1"


def test_fit_tells_the_story_of_texts(fitted: Path) -> None:
    told = (fitted.parents[1] / "told.txt").read_text()
    assert "27 texts in 3 classes" in told
    assert "9 more kept for the test" in told
    answer = json.loads((fitted / "run.json").read_text())["answer"]
    ran = {row["strategy"] for row in answer["rows"]} | {s["strategy"] for s in answer["skipped"]}
    assert {"majority", "tfidf", "label-names", "probe", "random-frozen", "scratch", "contrastive"} <= ran
    assert {"finetune", "lora", "bitfit", "full"} <= ran
    assert "pixels" not in ran
    assert answer["verdict"]["sentence"] in told.replace("\n", " ")
    page = (fitted / "report.html").read_text(encoding="utf-8")
    assert any(word in page for word in TOPICS["weather"])
    assert "image" not in answer["verdict"]["sentence"]


def test_the_same_command_again_changes_nothing(fitted: Path, source: str, forked: Any) -> None:
    before = json.loads((fitted / "run.json").read_text())["answer"]
    done = forked(fitted.parents[1], "fit", "größe.csv", "--source", source, *BUDGET, "--out", fitted)
    assert done.returncode == 0, done.stderr
    assert json.loads((fitted / "run.json").read_text())["answer"]["rows"] == before["rows"]


def test_predict_evaluate_and_label_next(fitted: Path, forked: Any, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text('review\n"rain and wind, and snow"\n"the soup with bread"\n""\n')
    done = forked(tmp_path, "predict", fitted, "new.csv", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.returncode == 0
    assert [row["file"] for row in rows] == [f"new.csv row {n}" for n in (1, 2, 3)]
    assert set(TOPICS) >= {row["label"] for row in rows[:2]}
    assert rows[2]["error"]
    assert "1 of 3 could not be predicted" in done.stderr
    done = forked(tmp_path, "predict", fitted, "--text", "guitar and drum", "--format", "json")
    assert len(json.loads(done.stdout)["predictions"]) == 1
    done = forked(tmp_path, "evaluate", fitted, fitted.parents[1] / "größe.csv", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] > 0
    (tmp_path / "pool.csv").write_text("review\n" + "\n".join(f"{w} and the {w}" for w in FILLERS) + "\n")
    done = forked(tmp_path, "label-next", fitted, "pool.csv", "-n", "3")
    assert done.returncode == 0, done.stderr


def test_export_with_the_tokenizer_alongside(fitted: Path, forked: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = forked(tmp_path, "export", fitted, "--onnx", "-o", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.tokenizer.json").is_file()
    assert json.loads((tmp_path / "m.json").read_text())["input"]["name"] == "tokens"


def test_a_fresh_process_opens_the_model(fitted: Path, call: Any, tmp_path: Path) -> None:
    done = call(tmp_path, "verify", fitted)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_tokenizer_is_named(fitted: Path, forked: Any, tmp_path: Path) -> None:
    model = shutil.copytree(fitted / "model", tmp_path / "model")
    other = b"{}"
    (model / "tokenizer.json").write_bytes(other)
    about = json.loads((model / "bundle.json").read_text())
    about["files"]["tokenizer.json"] = {"bytes": len(other), "sha256": fingerprint.of_bytes(other)}
    (model / "bundle.json").write_text(json.dumps(about))
    done = forked(tmp_path, "predict", "model", "--text", "guitar and drum")
    assert done.returncode == 2
    assert "its tokenizer cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_pairs_are_read_jointly_and_apart(source: str, forked: Any, tmp_path: Path) -> None:
    write(tmp_path / "pairs.parquet", pairs=True)
    options = ("--strategy", "probe", "--budget", "60s")
    done = forked(tmp_path, "fit", "pairs.parquet", "--source", source, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "27 pairs of texts" in done.stdout
    rows = json.loads((tmp_path / "runs" / "pairs-1" / "run.json").read_text())["answer"]["rows"]
    assert {row["source"] for row in rows if row["strategy"] == "probe"} == {"tiny", "tiny apart"}
    done = forked(tmp_path, "predict", "runs/pairs-1", "pairs.parquet", "--format", "json")
    assert len(json.loads(done.stdout)["predictions"]) == 36


@pytest.mark.parametrize("kind", ["regression", "multilabel"])
def test_numbers_and_several_labels(kind: str, source: str, forked: Any, tmp_path: Path) -> None:
    write(tmp_path / "texts.csv", kind=kind)
    options = ("--strategy", "probe", "--strategy", "contrastive", "--budget", "60s")
    done = forked(tmp_path, "fit", "texts.csv", "--source", source, "--task", kind, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "runs" / "texts-1" / "run.json").read_text())["answer"]["rows"]
    status = {row["strategy"]: row["status"] for row in rows}
    assert status["probe"] == "done"
    assert status["contrastive"] == "not applicable"
