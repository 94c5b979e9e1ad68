"""fit with domains, from pictures to one run: each held out, the target adapted to or not, resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.core.events import Event
from headstart.errors import DataError, RunError
from headstart.planning.adaptation import Decision
from headstart.report import markdown
from headstart.strategies import adapt as adapters
from headstart.testing.fakes import SHAPES, shape
from headstart.workflows import adapt as workflow
from warm import prove_here

pytestmark = pytest.mark.slow
ASK: dict[str, Any] = {
    "domain": "folders", "split": "domain", "sources": ["bundled/strokes"], "strategies": ["probe"],
    "budget": 60,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labelled domains and one without labels."""
    where = tmp_path_factory.mktemp("toward")
    for seed, (name, classes) in enumerate({"ink": True, "pale": True, "phone": False}.items()):
        rng = np.random.default_rng(seed)
        for label in SHAPES[:2]:
            folder = where / "domains" / name / label if classes else where / "domains" / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(10):
                picture = shape(label, rng, side=32) * (1.0 if name == "ink" else 0.4)
                Image.fromarray(picture.astype(np.uint8)).save(folder / f"{label}-{number}.png")
    return where


@pytest.fixture(autouse=True)
def cached(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(place / "cache"))
    monkeypatch.setattr(adapters, "ADAPTERS", {name: adapters.ADAPTERS[name] for name in ("none", "coral")})
    monkeypatch.setattr(workflow.adaptation, "TRAINED", ())
    prove_here(monkeypatch)


def test_one_command_one_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    run = hs.fit(place / "domains", out=place / "run", listen=events.append, **ASK)
    assert run.folder == place / "run"
    held = run.record["answer"]["domains"]
    assert [row["domain"] for row in held["rows"]] == ["ink", "pale"]
    assert all(0 <= row["unseen"] <= 1 and row["seen"] is not None for row in held["rows"])
    assert held["sentence"] in run.record["answer"]["verdict"]["notes"]
    assert run.record["adaptation"]["transfer"] == "transductive"
    assert run.record["adaptation"]["names"][1] == "phone"
    assert run.record["question"]["split"] == "domain"
    assert "--split domain" in run.record["command"]
    assert run.record["command"].endswith(f"--out {place / 'run'}")
    assert hs.open_run(place / "run" / "source").record["complete"]
    answers = run.model.predict(place / "domains" / "phone").answers
    assert len(answers) == 20
    page = run.report().read_text()
    assert all(f'id="{part}"' in page for part in ("domains", "adaptation", "shifts"))
    assert "### Domains, each held out" in markdown.render(run.record, {}, [])
    told = {event.data["label"] for event in events if event.kind == "note"}
    assert {"shift", "decision", "transfer"} <= told
    decision = Decision("adapted", "coral", "because", (0.1, 0.0, 0.2), {})
    monkeypatch.setattr(workflow.adaptation, "decide", lambda *_: decision)
    again = hs.fit(place / "domains", out=place / "run", **ASK)
    assert next(row for row in again.leaderboard() if row["shipped"])["strategy"] == "coral"
    assert (
        json.loads((place / "run" / "source" / "run.json").read_text())["answer"]["winner"]
        != "strokes: coral"
    )


def test_mistakes_are_told_before_anything_is_computed(place: Path) -> None:
    ask = {**ASK, "out": place / "never"}
    with pytest.raises(DataError, match="it is the source itself"):
        hs.fit(
            place / "domains" / "ink",
            target=place / "domains" / "ink",
            **{**ask, "domain": None, "split": None},
        )
    with pytest.raises(DataError, match="no domain can be held out"):
        hs.fit(place / "domains" / "ink", **{**ask, "domain": None})
    assert not (place / "never" / "source" / "trials").exists()
    (place / "other").mkdir()
    (place / "other" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds no run"):
        hs.fit(place / "domains", **{**ASK, "out": place / "other"})
    assert (place / "other" / "notes.txt").exists()
