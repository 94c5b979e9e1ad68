"""A source that writes, from the table to a model that answers in a fresh process."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from made.pretrained import PAIRS, write_taught

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, forked: Command) -> Path:
    """A folder with a table, a source that knows half of its rows, and a finished run."""
    where = tmp_path_factory.mktemp("generated")
    rows = [PAIRS[at] for at in np.random.default_rng(1).permutation(len(PAIRS))]
    with (where / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        parts = ["test" if place % 4 == 0 else "train" for place in range(len(rows))]
        table = [(*row, part) for row, part in zip(rows, parts, strict=True)]
        csv.writer(file).writerows([("source", "target", "split"), *table])
    write_taught(where / "parent", steps=50, pairs=rows[:30])
    arms = [part for name in ("majority", "untouched") for part in ("--strategy", name)]
    said = ("--budget", "20s", "--engine", "eager", "--quiet")
    made = forked(where, "fit", "pairs.csv", "--out", "run", "--source", "hf:parent", *said, *arms)
    assert made.returncode == 0, made.stdout + made.stderr
    return where


def test_the_untouched_source_is_an_arm_and_ships_where_it_is_best(done: Path) -> None:
    record = json.loads((done / "run" / "run.json").read_text())
    rows = {row["strategy"]: row for row in record["answer"]["rows"]}
    assert rows["untouched"]["score"] > max(rows["majority"]["score"], rows["copy"]["score"])
    assert json.loads((done / "run" / "model" / "bundle.json").read_text())["net"]["kind"] == "generator"


def test_a_saved_model_writes_the_same_in_a_fresh_process(done: Path, forked: Command) -> None:
    texts = [source for source, _ in PAIRS[::9]]
    model = hs.open_model(done / "run")
    assert model.input.files()
    said = [row.answer for row in model.predict(texts)]
    assert all(text.startswith("der ") for text in said)
    told = forked(
        done, "predict", "run", *(p for text in texts for p in ("--text", text)), "--format", "json"
    )
    assert [one["text"] for one in json.loads(told.stdout)["predictions"]] == said
    found = model.evaluate(done / "pairs.csv").to_json()
    assert found["headline"]["metric"] == "chrF"
    assert found["headline"]["value"] > 0.5
    held = (done / "run" / "model" / "bundle.json").read_text()
    assert "schlummert" not in held  # it holds none of the targets
