"""predict and evaluate on texts, through the front door, with a bundle of a linear model of words."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from headstart import cli
from headstart.core import fingerprint
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.export import bundle
from headstart.modalities import text
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing
from made.models import tiny_images, tiny_model

WORDS = ("late", "broken", "lovely", "thanks")
TASK = Task("classification", ("bad", "good"), "accuracy")
SAID = {"so late": "bad", "broken, late": "bad", "lovely": "good", "thanks a lot": "good"}


@pytest.fixture
def headstart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command line: (exit code, stdout, stderr)."""
    monkeypatch.setattr(cli, "COMMANDS", ("predict", "evaluate", "verify"))

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["headstart", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return call


def save(path: Path, *, pairs: bool = False) -> Path:
    width = 2 * len(WORDS) + 3 if pairs else len(WORDS)
    weight = np.zeros((2, width), np.float32)
    weight[:, :4] = [[3, 3, -3, -3], [-3, -3, 3, 3]]
    tensors = {
        "words.idf": np.ones(len(WORDS), np.float32),
        "head.weight": weight,
        "head.bias": np.zeros(2, np.float32),
    }
    reads = TextPreprocessing(WordEncoder(WORDS).to_json(), max_length=64)
    made = Model(TASK, reads, {"kind": "words", "pairs": pairs}, tensors, evidence={"arm": "tfidf"})
    probes = text.collate([text.prepare(one.encode(), reads) for one in SAID])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "_reopen", lambda place, target: None)
        return bundle.save(made, path, probes=probes)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("m") / "texts.zip")


def test_texts_on_the_command_line(headstart: Any, model: Path) -> None:
    long = "thanks " + "and so on " * 30
    code, out, err = headstart("predict", model, "--text", "so late\x1b[2J", "--text", long)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["item", "prediction", "probability", "text"]
    assert lines[1].split()[:3] == ["text", "1", "bad"]
    assert lines[1].endswith("so late\ufffd[2J")
    assert lines[2].split()[:3] == ["text", "2", "good"]
    assert lines[2].endswith("and so on…")
    assert len(lines[2]) < 110


def test_files_and_folders_of_texts(headstart: Any, model: Path, tmp_path: Path) -> None:
    for number, one in enumerate(SAID):
        (tmp_path / f"{number}.txt").write_text(one)
    (tmp_path / "notes.bin").write_bytes(b"\0")
    code, out, _ = headstart("predict", model, tmp_path, "--text", "lovely", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["label"] for row in rows] == [*SAID.values(), "good"]
    assert list(rows[0]) == ["file", "label", "probability", "p:bad", "p:good", "unread", "error"]
    assert [Path(row["file"]).name for row in rows] == ["0.txt", "1.txt", "2.txt", "3.txt", "text 1"]
    code, out, err = headstart("predict", model, tmp_path / "0.txt", tmp_path / "gone.txt", "-f", "json")
    assert code == 0
    assert [row.get("label") for row in json.loads(out)["predictions"]] == ["bad", None]
    assert "1 of 2 could not be predicted" in err


def test_a_table_gets_an_answer_a_row(headstart: Any, model: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("text\n" + "".join(f'"{one}"\n' for one in SAID))
    code, out, _ = headstart("predict", model, table)
    lines = out.splitlines()[1:]
    assert code == 0
    assert len(lines) == len(SAID)
    for line, (one, label) in zip(lines, SAID.items(), strict=True):
        assert f" {label} " in line
        assert line.endswith(one)
    labelled = tmp_path / "labelled.csv"
    labelled.write_text("text,label\n" + "".join(f'"{one}",{label}\n' for one, label in SAID.items()))
    code, out, _ = headstart("evaluate", model, labelled)
    assert code == 0
    assert "100.0 %" in out


def test_two_texts_in_a_list_are_two_texts(model: Path) -> None:
    from headstart.api import open_model

    assert open_model(model).predict(["so late", "lovely"]).answers == ["bad", "good"]
    assert len(open_model(model).predict(("so late", "lovely"))) == 1  # a pair


def test_what_is_named_and_not_there_is_not_taken_for_a_text(
    headstart: Any, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "a b.txt").write_text("so late")
    code, out, err = headstart("predict", model, "no such thing", tmp_path / "*.txt", "-f", "json")
    assert code == 0
    assert [row.get("label") for row in json.loads(out)["predictions"]] == [None, "bad"]
    assert "no such thing: no such file or folder" in err


def test_pairs(headstart: Any, tmp_path: Path) -> None:
    model = save(tmp_path / "pairs.zip", pairs=True)
    code, out, _ = headstart("predict", model, "--text", "late", "--second", "lovely lovely")
    assert code == 0
    assert out.splitlines()[1].endswith("late | lovely lovely")
    code, _, err = headstart("predict", model, "--text", "late", "--text", "b", "--second", "lovely")
    assert code == 2
    assert "given once for each --text (2)" in err


def test_what_does_not_go_together_is_said(headstart: Any, model: Path, tmp_path: Path) -> None:
    code, _, err = headstart("predict", model)
    assert code == 2
    assert "files or folders, or --text" in err
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "_reopen", lambda place, target: None)
        images = bundle.save(tiny_model(), tmp_path / "images.zip", probes=tiny_images(2))
    code, _, err = headstart("predict", images, "--text", "late")
    assert code == 2
    assert "this model reads images" in err


def test_a_tokenizer_that_cannot_be_opened_is_told_at_once(headstart: Any, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path, none = save(tmp_path / "model"), b'{"version": 1}'
    content = json.loads((path / "bundle.json").read_text())
    content["files"]["tokenizer.json"] = {"sha256": fingerprint.of_bytes(none), "bytes": len(none)}
    content["preprocessing"]["encoder"] = fingerprint.of_bytes(none)
    (path / "bundle.json").write_text(json.dumps(content))
    (path / "tokenizer.json").write_bytes(none)
    for command in (("predict", path, "--text", "so late"), ("verify", path)):
        code, _, err = headstart(*command)
        assert code == 2, err
        assert "tokenizer that cannot be opened" in err


def test_a_text_that_is_not_read_to_its_end_is_told(headstart: Any, model: Path, tmp_path: Path) -> None:
    long = "lovely " * 100
    (tmp_path / "long.csv").write_text(f"text\nlovely\n{long}\n")
    for form in ("table", "csv", "json"):
        code, out, err = headstart("predict", model, tmp_path / "long.csv", "-f", form)
        assert code == 0
        assert "headstart: 1 of 2 is seen only in part: " in err
        assert "tokens are read" in err
    assert [("unread" in row) for row in json.loads(out)["predictions"]] == [False, True]
    _, out, _ = headstart("predict", model, tmp_path / "long.csv", "-f", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert [bool(row["unread"]) for row in rows] == [False, True]
    _, _, err = headstart("predict", model, "--text", "lovely")
    assert not err


def test_very_many_go_into_a_folder_of_parquet_files(headstart: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text\n" + "\n".join(SAID).replace(", ", " ") + "\n")
    asked = ("predict", model, tmp_path / "texts.csv", "--format", "parquet")
    code, out, err = headstart(*asked, "--output", tmp_path / "answers")
    assert (code, out) == (0, "")
    assert err == f"headstart: 4 answers in 1 file in {tmp_path / 'answers'}\n"
    assert "of which 1 were there already" in headstart(*asked, "--output", tmp_path / "answers")[2]
    assert polars.read_parquet(tmp_path / "answers" / "*.parquet")["label"].to_list() == list(SAID.values())
    assert "--output is 'left out'" in headstart(*asked)[2]
    assert "--text is" in headstart(*asked, "--output", tmp_path / "other", "--text", "late")[2]
    assert (
        "no cluster is called 'slurm'"
        in headstart(*asked, "--output", tmp_path / "other", "--on", "slurm")[2]
    )
    assert "--format parquet, whose files" in headstart("predict", model, "--text", "late", "--on", "ray")[2]
    gone = headstart("predict", model, tmp_path / "gone.txt", "--format", "parquet", "-o", tmp_path / "none")
    assert gone[0] == 2
    assert "1 of 1 could not be predicted" in gone[2]
