"""Images with boxes from the folder to a model that draws: fit, predict, evaluate, and what is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drawn
from headstart.core.maps import palette
from headstart.export.model import load_model

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, forked: Command) -> Path:
    """A folder with the data, and a finished run."""
    where = tmp_path_factory.mktemp("detection")
    drawn.write(where / "data" / "train", 12)
    drawn.write(where / "data" / "test", 5, seed=1)
    said = ("--source", "bundled/strokes", "--budget", "30s", "--engine", "eager", "--quiet")
    arms = ("--strategy", "majority", "--strategy", "pixels", "--strategy", "probe")
    brief = ("--epochs", "3", "--views", "1")
    made = forked(where, "fit", "data", "--out", "run", *said, *arms, *brief)
    assert made.returncode == 0, made.stdout + made.stderr
    return where


def test_a_run_has_a_verdict_and_a_page(done: Path) -> None:
    record = json.loads((done / "run" / "run.json").read_text())
    assert record["task"]["metric"] == "mAP50:95"
    rows = {row["strategy"]: row for row in record["answer"]["rows"]}
    assert rows.keys() == {"majority", "pixels", "probe"}
    assert rows["majority"]["score"] < 0.1 < 0.4 < rows["pixels"]["score"]
    assert all(row["low"] <= row["score"] <= row["high"] for row in rows.values())
    assert record["answer"]["verdict"]["outcome"] in ("hurts", "not compared")
    found = json.loads((done / "run" / "insight.json").read_text())
    classes = {row["label"]: row for row in found["confusion"]["per_class"]}
    assert classes.keys() == set(drawn.NAMES)
    assert classes["disc"]["AP50"] > 0.6
    assert classes["disc"]["curve"]
    page = (done / "run" / "report.html").read_text()
    assert "<bdi>disc</bdi>" in page
    assert ">AP50:95</th>" in page
    assert "share of the objects that are found" in page
    assert "(0, 0, 0)" not in page


def test_boxes_are_told_and_drawn_on_their_images(done: Path, forked: Command) -> None:
    pixels, boxes = drawn.picture(np.random.default_rng(1))
    assert boxes
    Image.fromarray(pixels).save(done / "one.png")
    Image.fromarray(pixels).resize((192, 144)).save(done / "wide.png")
    (done / "text.png").write_text("no picture")
    files = ("wide.png", "one.png", "text.png")
    said = forked(done, "predict", "run", *files, "--boxes", "pictures", "--format", "json")
    assert said.returncode == 0, said.stderr
    wide, one, broken = json.loads(said.stdout)["predictions"]
    assert (wide["size"], one["size"]) == ([192, 144], [96, 96])
    assert "error" in broken
    assert one["picture"] == "pictures/one.png"
    best = max(one["boxes"], key=lambda box: box["score"])
    assert best["score"] >= 0.5
    assert min(np.abs(np.array(best["box"]) - corners).max() for corners, _ in boxes) < 8
    ours = [[x * 2, y * 1.5] for x, y in np.array(best["box"]).reshape(2, 2).tolist()]
    theirs = [np.array(box["box"]).reshape(2, 2) for box in wide["boxes"]]
    assert min(np.abs(ours - box).max() for box in theirs) < 12
    with Image.open(done / "pictures" / "one.png") as mine:
        number = drawn.NAMES.index(best["label"])
        assert (np.asarray(mine) == palette(2)[number]).all(axis=2).sum() > 20
    told = json.loads(forked(done, "predict", "run", "one.png", "--format", "coco").stdout)
    assert [entry["name"] for entry in told["categories"]] == list(drawn.NAMES)
    assert told["images"] == [{"id": 1, "file_name": "one.png", "width": 96, "height": 96}]
    assert len(told["annotations"]) == len(one["boxes"])
    left, top, right, bottom = one["boxes"][0]["box"]
    np.testing.assert_allclose(
        told["annotations"][0]["bbox"], [left, top, right - left, bottom - top], atol=0.02
    )
    assert "96 x 96" in forked(done, "predict", "run", "one.png").stdout
    assert "count:disc" in forked(done, "predict", "run", "one.png", "--format", "csv").stdout


def test_evaluate_prints_average_precision(done: Path, forked: Command) -> None:
    # the model's classes are matched by their names, whatever their ids here
    other = drawn.write(done / "other", 5, seed=2, names=("bar", "disc"))
    found = json.loads(forked(done, "evaluate", "run", "other", "--format", "json").stdout)
    assert found["headline"]["metric"] == "mAP50:95"
    assert {"mAP50:95", "mAP50", "AP small"} <= found["metrics"].keys()
    assert found["metrics"]["mAP50"]["value"] > 0.6
    assert [row["label"] for row in found["per_class"]] == list(drawn.NAMES)
    assert "mAP50" in forked(done, "evaluate", "run", "other").stdout
    drawn.write(other, 5, seed=2, names=("bar", "disc", "moon"))
    refused = forked(done, "evaluate", "run", "other")
    assert refused.returncode == 2
    assert "does not know the class 'moon'" in refused.stderr


def test_a_model_is_the_same_in_python(done: Path) -> None:
    model = load_model(done / "run")
    answer = model.predict([done / "data" / "test" / "images" / "0.png"])[0].answer
    assert answer.size == (96, 96)
    assert answer.scores.min() < 0.5 or len(answer)
    assert model.evidence["choices"]["said"].keys() <= set(drawn.NAMES)


def test_images_to_annotate_next(done: Path, forked: Command) -> None:
    pool = drawn.write(done / "pool", 9, seed=5) / "images"
    said = forked(done, "label-next", "run", "pool/images", "--n", "5", "--format", "json", "--seed", "1")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["policy"].startswith("few labels (12 images)")
    picks = [pick["item"] for pick in found["picks"]]
    assert len(set(picks)) == 5
    assert {Path(item).name for item in picks} <= {file.name for file in pool.iterdir()}
    assert [pick["how"] for pick in found["picks"]].count("random") == 1
    again = forked(done, "label-next", "run", "pool/images", "--n", "5", "--format", "json", "--seed", "1")
    assert json.loads(again.stdout) == found


def test_sources_are_ranked_by_boxes(done: Path, forked: Command) -> None:
    named = ("--source", "bundled/strokes", "--source", "bundled/textures")
    said = forked(done, "rank", "data", *named, "--json", "--also", "leep")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert {row["source"] for row in found["ranking"]} == {"bundled/strokes", "bundled/textures"}
    assert found["metric"] == "mAP50:95"
    assert found["n"] == 12
    for row in found["ranking"]:
        low, value, high = (row["expected"][name] for name in ("low", "value", "high"))
        assert 0 <= low <= value <= high <= 1
        assert row["scores"].keys() == {"ridge"}
        assert row["left_out"].keys() == {"leep"}


def test_two_domains_of_boxes(done: Path, forked: Command) -> None:
    drawn.write(done / "there", 8, seed=6)
    said = forked(done, "shift", "run", "there", "--json", "--page", "shift.html")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["amounts"] == "objects"
    assert [row["label"] for row in found["classes"]] == list(drawn.NAMES)
    truth = json.loads((done / "data" / "train" / "annotations.json").read_text())
    discs = sum(box["category_id"] == 1 for box in truth["annotations"])
    tests = json.loads((done / "data" / "test" / "annotations.json").read_text())
    of_all = discs + sum(box["category_id"] == 1 for box in tests["annotations"])
    assert found["classes"][0]["source"] in (pytest.approx(discs / 12), pytest.approx(of_all / 17))
    assert found["accuracy_bound"] is None
    page = (done / "shift.html").read_text()
    assert "How many objects images have" in page
    alone = forked(done, "shift", "data/train", "there")
    assert "without a run whose model gives boxes, only the items are compared" in alone.stdout


def test_runs_of_boxes_are_compared(done: Path, forked: Command) -> None:
    brief = ("--budget", "30s", "--quiet", "--source", "bundled/strokes", "--strategy", "majority")
    assert forked(done, "fit", "data", "--out", "plain", *brief).returncode == 0
    said = forked(done, "compare", "run", "plain", "--format", "json")
    assert said.returncode == 0, said.stderr
    (pair,) = json.loads(said.stdout)["pairs"]
    assert pair["items"] == 12
    assert pair["low"] <= pair["gain"] <= pair["high"]
    assert pair["gain"] <= 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["adapt", "run", "data"], "its answers are boxes"),
        (["predict", "run", "data", "--adapt", "batchnorm"], "only answers of one class an item"),
        (["predict", "run", "data", "--masks", "m"], "draws no masks"),
    ],
)
def test_what_is_not_done_is_one_sentence(done: Path, command: list[str], said: str, forked: Command) -> None:
    refused = forked(done, *command)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
