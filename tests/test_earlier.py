"""Runs, models and items that an earlier version wrote (tests/earlier) open, answer and draw as they did then."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.export import bundle

EARLIER = Path(__file__).parent / "earlier"
TEXTS = ["wet grey storm", "hot dry sky", "the cloud"]
SHADES = [np.full((12, 12, 3), value, np.uint8) for value in (45, 125, 205)]
SHIPPED = {"images": "pixels", "texts": "tfidf", "numbers": "pixels"}


@pytest.fixture(params=SHIPPED)
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / str(request.param)
    with zipfile.ZipFile(EARLIER / f"{request.param}.zip") as packed:
        packed.extractall(folder)
    return folder


def test_a_run_of_an_earlier_version_is_read(earlier: Path) -> None:
    run = hs.open_run(earlier)
    assert run.outcome == "not compared"
    assert next(row["arm"] for row in run.leaderboard() if row["shipped"]) == SHIPPED[earlier.name]
    assert run.insight["arm"] == SHIPPED[earlier.name]
    assert "Not compared" in run.report().read_text(encoding="utf-8")  # its page is drawn again
    pair = hs.compare([run, shutil.copytree(earlier, earlier.with_name("copy"))]).pairs[0]
    assert (pair.outcome, pair.gain) == ("not told apart", 0.0)


def test_a_model_of_an_earlier_version_answers_as_it_did(earlier: Path) -> None:
    bundle.load(earlier / "model")  # it gives the answers that are kept beside it, or this raises
    model = hs.open_model(earlier)
    answers = [row.answer for row in model.predict(TEXTS if earlier.name == "texts" else SHADES)]
    if earlier.name == "images":
        assert answers == ["dark", "grey", "light"]
    elif earlier.name == "texts":
        assert answers[:2] == [["rain"], ["sun", "warm"]]
    else:
        assert np.allclose(answers, [45, 125, 205], atol=25)  # type: ignore[arg-type]
