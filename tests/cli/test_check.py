"""headstart check, in this process."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from headstart.cli import check
from headstart.errors import PathError


@pytest.fixture(autouse=True)
def _memo(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was examined is kept in memory, not in the user's cache."""
    module = types.ModuleType("headstart.store.memo")
    module.Memo = lambda *_: {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "headstart.store.memo", module)


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.callback()(lambda: None)
    made.command("check")(check.check_command)
    return made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("[red] cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(12):
            array = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / "photos" / label / f"{i}.png")
    return tmp_path / "photos"


def test_good_data(app: typer.Typer, photos: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(photos)])
    assert done.exit_code == 0, done.output
    assert done.output == "24 images in 2 classes: nothing to remark\n"


def test_errors_are_listed_and_the_code_is_two(app: typer.Typer, photos: Path) -> None:
    (photos / "[red] cat" / "bad [x].png").write_bytes(b"")
    (photos / "dog" / "note.txt").write_text("x")
    done = CliRunner().invoke(app, ["check", str(photos)])
    assert done.exit_code == 2
    lines = done.output.splitlines()
    assert lines[0].startswith("HS102 [red] cat/bad [x].png: the file is empty; fetch it again")
    assert lines[1].startswith("HS504 dog/note.txt")
    assert lines[-1] == "25 images in 2 classes: 1 error, 0 warnings, 1 note"


def test_json_is_one_document(app: typer.Typer, photos: Path) -> None:
    (photos / "dog" / "bad.png").write_bytes(b"x")
    done = CliRunner().invoke(app, ["check", str(photos), "--json"])
    assert done.exit_code == 2
    document = json.loads(done.stdout)
    assert (document["items"], document["errors"]) == (25, 1)
    assert document["task"]["labels"] == ["[red] cat", "dog"]


def test_columns_and_task_reach_the_reader(app: typer.Typer, photos: Path) -> None:
    (photos / "t.csv").write_text("f,n,x\ndog/0.png,1,\ndog/1.png,2,\ndog/2.png,2,\n")
    command = [
        "check",
        str(photos / "t.csv"),
        "--path-column",
        "f",
        "--label-column",
        "n",
        "--task",
        "regression",
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "3 images with a number (n)" in done.output


def test_mistakes_are_errors_of_ours(app: typer.Typer) -> None:
    done = CliRunner().invoke(app, ["check", "nowhere"])
    assert isinstance(done.exception, PathError)


def test_texts_and_pairs_of_texts(app: typer.Typer, tmp_path: Path) -> None:
    rows = [
        f"{i},a sentence of some words {i * 7919},another one {i * 104729},{'xyz'[i % 3]}" for i in range(36)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["nr,left,right,kind", *rows]) + "\n")
    command = ["check", str(tmp_path / "t.csv"), "--label-column", "kind", "--text-column", "left"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].startswith("36 texts in 3 classes: no errors")
    done = CliRunner().invoke(app, [*command, "--pair-column", "right"])
    assert done.output.splitlines()[-1].startswith("36 pairs of texts in 3 classes: no errors")


def test_texts_are_checked_without_a_source(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.sources.load", lambda *_, **__: pytest.fail("a source was loaded"))
    one = "the quick brown fox jumps over the lazy dog again"
    rows = [
        f"{one},x",
        f"{one.upper()}!,x",
        *(f"words {i * 7919} of {i * 104729} sorts,{'xy'[i % 2]}" for i in range(30)),
    ]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    done = CliRunner().invoke(app, ["check", str(tmp_path / "t.csv")])
    assert "HS405 row 2: the same as row 1 but for case, marks or blanks" in done.output
