"""shift through the front door: what is found of a run and other data, as lines, JSON and a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_a_run_and_its_target(forked: Any, with_pool: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = forked(with_pool, "shift", "runs/labelled-1", "pool", "--page", page)
    assert done.returncode == 0, done.stderr
    assert "shift     none: items are" in done.stdout
    assert "advice    use the source's model on the target as it is" in done.stdout
    assert "answered by the run's model (strokes: probe)" in done.stdout
    assert "1 item cannot be read and left out: broken.png" in done.stderr
    assert page.read_text().startswith("<!doctype html>")


def test_json_is_all_there_is(forked: Any, with_pool: Path) -> None:
    done = forked(with_pool, "shift", "labelled", "pool", "--source", "bundled/strokes", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kind"] == "none"
    assert found["b"]["name"] == "pool"
    assert found["unreadable"][0]["id"] == "broken.png"
    assert found["model"] == "a linear model on the source's features"
    assert found["transfer"] == "transductive"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("labelled", "labelled"), "it is the source itself"),
        (("labelled", "nowhere"), "nowhere"),
        (("labelled", "pool", "--page", "page.txt"), "ends in .html"),
        (("labelled", "pool", "--source", "bundled/no"), "no bundled source is called"),
    ],
)
def test_mistakes_are_one_sentence(forked: Any, with_pool: Path, words: tuple[str, ...], says: str) -> None:
    done = forked(with_pool, "shift", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
