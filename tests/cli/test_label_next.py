"""label-next through the front door: a list with reasons, and mistakes in one sentence."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import cli

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(with_pool: Path) -> Path:
    return with_pool


@pytest.fixture
def ask(
    place: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """The command in this process: (exit code, stdout, stderr)."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("HEADSTART_CACHE", str(cache))

    def run(*words: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["headstart", "label-next", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


def test_a_list_with_reasons(forked: Any, place: Path) -> None:
    done = forked(place, "label-next", "runs/labelled-1", "pool", "--n", 6)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("policy    few labels (42 for 3 classes): typical items")
    assert lines[1].startswith("pool      22 readable, ")
    assert lines[3].split() == ["rank", "item", "why"]
    rows = lines[4:]
    assert [row.split()[0] for row in rows] == list("123456")
    assert all("no label near" in row or "in it" in row or "drawn at random" in row for row in rows)
    assert not any("copy-" in row or "broken" in row for row in rows)
    assert done.stderr.count("\n") == 1
    assert "1 item cannot be read" in done.stderr


def test_nothing_is_proposed_twice_and_the_pool_may_be_small(ask: Any, place: Path) -> None:
    code, out, err = ask("runs/labelled-1", "pool", "--n", 99, "--format", "json", "--out", "next.csv")
    assert code == 0
    found = json.loads(out)
    assert found["copies"] >= 4  # three of labelled pictures, one of another; and look-alikes
    assert len(found["picks"]) == 22 - found["copies"]
    assert f"only {len(found['picks'])} of the 99" in err
    pictures = [(place / pick["item"]).read_bytes() for pick in found["picks"]]
    assert len(set(pictures)) == len(pictures)
    labelled = {path.read_bytes() for path in (place / "labelled").rglob("*.png")}
    assert not labelled & set(pictures)
    rows = list(csv.DictReader(io.StringIO((place / "next.csv").read_text(encoding="utf-8"))))
    assert [row["item"] for row in rows] == [pick["item"] for pick in found["picks"]]
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    assert any("größe" in row["item"] for row in rows)


def test_the_same_seed_proposes_the_same(ask: Any) -> None:
    one, two, other = (
        json.loads(ask("runs/labelled-1", "pool", "--n", 8, "-f", "json", "--seed", s)[1]) for s in (3, 3, 4)
    )
    assert one == two
    assert one["picks"] != other["picks"]
    assert one["source"] == "strokes"
    assert one["unreadable"][0]["id"].endswith("broken.png")


def test_one_item(ask: Any) -> None:
    _, out, err = ask("runs/labelled-1", "pool/ring-15.png", "-n", 5, "-f", "csv")
    assert out.startswith("rank,item,how,why\n1,pool/ring-15.png,")
    assert out.count("\n") == 2
    assert "only 1 of the 5" in err


def test_enough_labels_ask_what_the_model_doubts(forked: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(36):
        for label, light in (("dark", 60), ("light", 150)):
            path = tmp_path / ("photos" if number < 18 else "pool") / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.uint8(light + rng.integers(0, 100, (24, 24, 3)))).save(path)
    done = forked(tmp_path, "fit", "photos", "--source", "bundled/strokes", "--strategy", "probe", "--out", "run",
                "--budget", "20s")  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = forked(tmp_path, "label-next", "run", "pool", "--n", "5")
    assert done.returncode == 0, done.stderr
    assert "items on which the model hesitates" in done.stdout
    assert "between dark and light (" in done.stdout or "between light and dark (" in done.stdout


def test_data_that_moved_is_named(ask: Any, place: Path) -> None:
    (place / "labelled").rename(place / "moved")
    try:
        code, out, err = ask("runs/labelled-1", "pool")
        assert (code, out) == (2, "")
        assert "/labelled) is not there any more" in err
        assert err.count("\n") == 1
        code, _, err = ask("runs/labelled-1", "pool", "--data", "moved", "-n", 2)
        assert code == 0, err
    finally:
        (place / "moved").rename(place / "labelled")


def test_labels_added_since_the_run_are_told(ask: Any, place: Path) -> None:
    assert json.loads((place / "runs" / "labelled-1" / "run.json").read_text())["reading"] == {}
    new = place / "labelled" / "disc" / "new.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (30, 30, 3), np.uint8)).save(new)
    try:
        code, _, err = ask("runs/labelled-1", "pool", "-n", 2)
    finally:
        new.unlink()
    assert code == 0
    assert "has changed since the run (43 labelled items instead of 42)" in err


def test_other_weights_than_those_of_the_run(ask: Any, place: Path) -> None:
    copy = place / "runs" / "other-weights"
    shutil.copytree(place / "runs" / "labelled-1", copy)
    trial = copy / "trials" / "strokes-probe" / "trial.json"
    trial.write_text(json.dumps({**json.loads(trial.read_text()), "digest": "0" * 64}))
    code, _, err = ask("runs/other-weights", "pool")
    assert code == 2
    assert "the weights of strokes are not those it was made with" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere", "pool"), "there is no run here"),
        (("runs/half", "pool"), "the run has not finished"),
        (("runs/labelled-1", "empty"), "there are no images in this folder"),
        (("runs/labelled-1", "gone.png"), "no such file or folder"),
        (("runs/labelled-1", "pool/copy-1.png"), "copies of labelled ones"),
        (("runs/labelled-1", "pool", "--format", "xml"), "text, json or csv"),
        (("runs/labelled-1", "pool", "--n", 0), "--n"),
        (("runs/labelled-1", "pool", "--out", "no/such/file.csv"), "cannot be written"),
    ],
)
def test_mistakes_are_one_sentence(ask: Any, place: Path, words: tuple[Any, ...], told: str) -> None:
    (place / "empty").mkdir(exist_ok=True)
    (place / "runs" / "half").mkdir(exist_ok=True)
    (place / "runs" / "half" / "run.json").write_text('{"version": 1, "question": {}}')
    code, out, err = ask(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_from_python(place: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import headstart as hs

    monkeypatch.setenv("HEADSTART_CACHE", str(cache))
    monkeypatch.chdir(place)
    found = hs.label_next("runs/labelled-1", "pool", n=3)
    assert [pick.rank for pick in found.picks] == [1, 2, 3]
    known = hs.load("labelled")
    again = hs.label_next(hs.open_run("runs/labelled-1"), "pool", n=3, labelled=known)
    assert [p.item for p in again.picks] == [p.item for p in found.picks]
