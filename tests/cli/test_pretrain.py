"""headstart pretrain on tables as they lie about: with more columns than the texts, and none with labels."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from headstart.cli import build
from headstart.errors import UnknownName
from headstart.testing.texts import WORDS
from headstart.workflows import pretrain as pretraining
from made import pretrained

pytest.importorskip("transformers")

RNG = np.random.default_rng(0)
TEXTS = [" ".join(str(WORDS[k]) for k in sorted(RNG.integers(len(WORDS), size=9))) for _ in range(40)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining.Job, "affordable", lambda *_: 20)


def run(tmp_path: Path, data: Path, *more: str) -> Result:
    model = tmp_path / "model"
    if not model.exists():
        pretrained.write_sentence_model(model)
    return CliRunner().invoke(
        build(), ["pretrain", f"file:{model}", str(data), "--out", str(tmp_path / "out"), *more]
    )


def test_a_table_needs_no_label_column(tmp_path: Path) -> None:
    rows = [f"{text},me,{'x' if i else ''}" for i, text in enumerate(TEXTS)]
    rows[4] = ",you,y"
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["text,author,source", *rows]) + "\n\n")
    done = run(tmp_path, path, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["texts"] + found["held_out"] == 39
    assert found["left_out"] == 1
    assert found["first_left_out"] == "row 5: is empty (whitespace only) (HS102)"
    assert found["first_left_out"] in found["sentence"]


def test_what_other_columns_hold_does_not_matter(tmp_path: Path) -> None:
    more = {"label": [{"a": 1}] * 40, "split": ["odd"] * 40, "group": [b"x"] * 40}
    path = tmp_path / "t.parquet"
    pl.DataFrame({"text": TEXTS, "body": TEXTS[::-1], **more}).write_parquet(path)
    for options in ((), ("--text-column", "body"), ("--text-column", "text", "--pair-column", "body")):
        done = run(tmp_path, path, *options)
        assert done.exit_code == 0, done.output
    done = run(tmp_path, path, "--text-column", "bodi")
    assert isinstance(done.exception, UnknownName)


@pytest.mark.parametrize("form", ["folder", "zip of texts", "zip of a table", "tables"])
def test_other_forms_of_data(tmp_path: Path, form: str) -> None:
    data = tmp_path / ("data.zip" if form.startswith("zip") else "data")
    lines = "\n".join(json.dumps({"text": text, "a": 1, "b": 2}) for text in TEXTS)
    files = {f"some/{i}.txt": text for i, text in enumerate(TEXTS)}
    if form == "zip of a table":
        files = {"t.jsonl": lines}
    if form == "tables":
        files = {"train.jsonl": lines, "test.csv": "text,c,d\nanother text of words,1,2\n"}
    if form.startswith("zip"):
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        for name, content in files.items():
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_text(content)
    done = run(tmp_path, data, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["texts"] + found["held_out"] == 40 + (form == "tables")


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_seeds_have_bounds(tmp_path: Path, seed: str) -> None:
    done = run(tmp_path, tmp_path / "t.csv", "--seed", seed)
    assert done.exit_code == 2
    assert "'--seed'" in done.output
