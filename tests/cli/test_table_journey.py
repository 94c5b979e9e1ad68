"""The journey of a user with a table of numbers and categories, command by command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, forked: Any) -> Path:
    """A finished run that the tests below share."""
    where, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    age, town = rng.integers(20, 70, 160), rng.integers(3, size=160)
    table = {
        "age": age, "town": np.array(["Rome", "Oslo", "Bern"])[town],
        "income": np.where(age + 10 * town > 50, "high", "low"),
        "split": np.where(np.arange(160) < 120, "train", "test"),
    }  # fmt: skip
    pl.DataFrame(table).write_csv(where / "people.csv")
    done = forked(where, "fit", "people.csv", "--label-column", "income", "--budget", "60s")
    assert done.returncode == 0, done.stdout + done.stderr
    return where / "runs" / "people-1"


def test_fit_compares_the_simple_models(fitted: Path) -> None:
    record = json.loads((fitted / "run.json").read_text())
    assert record["modality"] == "table"
    rows = {row["strategy"]: row for row in record["answer"]["rows"]}
    assert {*rows} == {"majority", "linear", "trees"}
    assert rows["linear"]["score"] > 0.85 > rows["majority"]["score"]
    assert "age " in (fitted / "report.html").read_text(encoding="utf-8")


def test_predict_and_evaluate(fitted: Path, forked: Any) -> None:
    where = fitted.parents[1]
    (where / "new.csv").write_text("town,age\nRome,25\nBern,66\nCairo,66\n")
    done = forked(where, "predict", str(fitted), "new.csv")
    assert done.returncode == 0
    assert "town Rome, age 25" in done.stdout
    assert "it has learnt nothing of town Cairo" in done.stderr
    (where / "half.csv").write_text("town\nRome\n")
    lacking = forked(where, "predict", str(fitted), "half.csv")
    assert lacking.returncode == 2
    assert "lacks a column that the model reads: 'age'" in lacking.stderr
    found = forked(
        where, "evaluate", str(fitted), "people.csv", "--label-column", "income", "--format", "json"
    )
    assert json.loads(found.stdout)["items"] == 40


@pytest.mark.parametrize("command", ["rank people.csv --label-column income", "label-next {run} people.csv"])
def test_what_needs_a_source_says_so_in_one_sentence(fitted: Path, forked: Any, command: str) -> None:
    done = forked(fitted.parents[1], *command.format(run=fitted).split())
    assert done.returncode == 2
    assert "none reads rows" in done.stderr
    assert "Traceback" not in done.stderr
