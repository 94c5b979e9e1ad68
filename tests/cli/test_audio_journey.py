"""The journey of a user with a folder of sounds, command by command, without a source: none is needed for what
the simple model does."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart.modalities import audio
from sounds import PITCHES, RATE, folder, tone, written

pytestmark = pytest.mark.slow
ASKED = ("--strategy", "majority", "--strategy", "bands", "--budget", "30s")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, forked: Any) -> Path:
    """A finished run that the tests below share."""
    where = tmp_path_factory.mktemp("sounds")
    folder(where / "töne" / "train", 10)
    folder(where / "töne" / "test", 4)
    done = forked(where, "fit", "töne", *ASKED)
    assert done.returncode == 0, done.stdout + done.stderr
    (where / "told.txt").write_text(done.stdout)
    return where / "runs" / "töne-1"


def test_check_tells_what_is_wrong(forked: Any, tmp_path: Path) -> None:
    place = folder(tmp_path / "tones", 4)
    (place / "low" / "silent.wav").write_bytes(written(np.zeros(RATE)))
    (place / "low" / "cut.flac").write_bytes(written(tone(300), form="FLAC")[:2000])
    (place / "mid" / "loud.wav").write_bytes(written(np.clip(9 * tone(700), -1, 1), 16_000))
    done = forked(tmp_path, "check", "tones")
    assert done.returncode == 2
    for part in ("HS104 low/cut.flac: is damaged after", "HS219 low/silent.wav: nothing is to be heard",
                 "HS220 mid/loud.wav", "13 of 8 kHz, 1 of 16 kHz", "15 recordings in 3 classes"):  # fmt: skip
        assert part in done.stdout.replace("\n", " ")


def test_fit_tells_the_story_of_sounds(fitted: Path) -> None:
    told = (fitted.parents[1] / "told.txt").read_text()
    assert "30 recordings in 3 classes (10 each), 12 more kept for the test" in told
    record = json.loads((fitted / "run.json").read_text())
    assert record["modality"] == "audio"
    rows = {row["strategy"]: row for row in record["answer"]["rows"]}
    assert rows["bands"]["score"] > 0.9 > rows["majority"]["score"]
    assert rows["bands"]["shipped"]


def test_the_page_shows_and_plays_sounds(fitted: Path) -> None:
    page = (fitted / "report.html").read_text(encoding="utf-8")
    assert "media-src data:" in page
    assert '<audio controls preload="none" src="data:audio/mpeg;base64,' in page
    assert '<img src="data:image/jpeg;base64,' in page
    assert "recordings" in page
    assert len(page) < 2_000_000


def test_predict_files_folders_archives_and_arrays(fitted: Path, forked: Any, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name, pitch in PITCHES.items():
        sound = written(tone(pitch, 0.4, seed=5), form="FLAC")
        (tmp_path / "new" / f"{name}.flac").write_bytes(sound)
    (tmp_path / "new" / "bad.wav").write_bytes(b"no sound")
    (tmp_path / "long.wav").write_bytes(written(tone(300, 12.0)))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as out:
        out.write(tmp_path / "new" / "mid.flac", "mid.flac")
    done = forked(tmp_path, "predict", fitted, "new", "long.wav", "packed.zip", "--format", "csv")
    rows = {Path(row["file"]).stem: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {stem: rows[stem]["label"] for stem in PITCHES} == {stem: stem for stem in PITCHES}
    assert "not a recording" in rows["bad"]["error"]
    assert rows["long"]["label"] == "low"
    assert "the first 10 of 12.0 seconds are read" in done.stderr + done.stdout
    model = hs.open_run(fitted).model
    found = model.predict([(tone(1500, 0.4, seed=9), RATE), {"array": tone(300, 0.4), "sampling_rate": RATE}])
    assert [row.answer for row in found] == ["high", "low"]
    (one,) = model.predict((tone(700, 0.4, seed=9), RATE))
    assert one.answer == "mid"


def test_evaluate_and_report(fitted: Path, forked: Any, tmp_path: Path) -> None:
    done = forked(tmp_path, "evaluate", fitted, folder(tmp_path / "more", 5))
    assert done.returncode == 0, done.stderr
    assert "15 items" in done.stdout
    for form in ("text", "md", "json"):
        done = forked(tmp_path, "report", fitted, "--format", form)
        assert done.returncode == 0, done.stderr
        assert "bands" in done.stdout


def test_the_exported_network_answers_alike(fitted: Path, forked: Any, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    done = forked(tmp_path, "export", fitted, "--onnx", "--out", "sounds.onnx")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "sounds.json").read_text())
    assert told["preparation"]["rate"] == 16_000
    session = ort.InferenceSession(str(tmp_path / "sounds.onnx"), providers=["CPUExecutionProvider"])
    some = [written(tone(pitch, 0.3 + 0.1 * i, seed=i)) for i, pitch in enumerate(PITCHES.values())]
    batch = audio.collate([audio.prepare(one, audio.PLAIN) for one in some])
    found = session.run(None, {session.get_inputs()[0].name: batch})[0]
    assert [sorted(PITCHES)[row] for row in found.argmax(axis=1)] == list(PITCHES)


def test_the_same_command_again_changes_nothing(fitted: Path, forked: Any) -> None:
    before = json.loads((fitted / "run.json").read_text())["answer"]["rows"]
    done = forked(fitted.parents[1], "fit", "töne", *ASKED, "--out", fitted)
    assert done.returncode == 0, done.stderr
    assert json.loads((fitted / "run.json").read_text())["answer"]["rows"] == before
