"""Of many sources one pass tells which are probed; what breaks or cannot be had ends itself alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart import sources
from headstart.core import environment
from headstart.core.events import Event
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.testing.texts import WORDS, sentences

WIDTHS = {"w02": 2, "w03": 3, "w04": 4, "w16": 16, "w24": 24, "w32": 32}


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, width in WIDTHS.items():
        lines = [f"{word} {' '.join(f'{v:.3f}' for v in rng.normal(size=width))}" for word in WORDS]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def fit(vectors: Path, data: Any = None, **more: Any) -> tuple[hs.Run, list[Event]]:
    told: list[Event] = []
    options = {
        "sources": [f"vectors:{vectors}/w*.txt"],
        "quality": "fast",
        "budget": 60,
        "out": vectors / "run",
        **more,
    }
    return hs.fit(data or sentences(per_class=12), listen=told.append, **options), told


def test_a_few_are_probed_and_a_broken_one_ends_itself(vectors: Path) -> None:
    (vectors / "worse.txt").write_text("no vectors at all\n")
    run, told = fit(vectors, budget=240)  # on a busy machine, too, time for a round with all of them
    probed = {row["arm"]: row for row in run.leaderboard() if row["arm"].endswith(": probe")}
    done = {arm.removesuffix(": probe") for arm, row in probed.items() if row["score"] is not None}
    assert 1 <= len(done) <= 3, "what is clearly worse is not probed"
    assert done & {"w16", "w24", "w32"}
    assert "worse.txt" in next(e.data["text"] for e in told if e.data.get("label") == "left out")
    found = run.record["search"]
    assert set(found["kept"]) == done
    assert set(found["left_out"]) == set(WIDTHS) - done
    away = min(found["left_out"])
    level = [row["source"] for row in found["ranking"] if row["tied"]][:3]
    assert (level or [found["ranking"][0]["source"]]) == found["kept"]
    assert [e.data["kept"] for e in told if e.kind == "search"] == [found["kept"]]
    skipped = {row["arm"]: row["reason"] for row in run.record["answer"]["skipped"]}
    assert (
        skipped[f"{away}: probe"]
        == f"not among those that are probed, {len(done)} of 6 sources ranked on some of the items"
    )
    assert any(
        f"{away}: probe" in note and "ranked on some" in note
        for note in run.record["answer"]["verdict"]["notes"]
    )

    _, again = fit(vectors, budget=300)  # more time: what was decided stays, and nothing is measured again
    assert [e.data["kept"] for e in again if e.kind == "search"] == [found["kept"]]
    assert hs.open_run(run.folder).record["search"] == found


def test_every_source_is_probed_where_the_best_is_asked_for(vectors: Path) -> None:
    sources = [f"vectors:{vectors}/w*.txt"]
    found = hs.plan(sentences(per_class=12), sources=sources, quality="best", strategies=["probe"])
    assert sum(step["strategy"] == "probe" for step in found["steps"]) == 6


def test_a_plan_takes_the_first_for_the_best(vectors: Path) -> None:
    found = hs.plan(sentences(per_class=12), sources=[f"vectors:{vectors}/w*.txt"], quality="fast")
    assert [step["arm"] for step in found["steps"] if step["strategy"] == "probe"] == [
        "w02: probe", "w03: probe", "w04: probe"
    ]  # fmt: skip
    assert {s["arm"] for s in found["skipped"]} >= {"w24: probe", "w16: probe", "w32: probe"}


def test_what_is_too_large_for_the_memory_is_left_out_with_the_reason(
    vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (vectors / "w24.txt").stat().st_size
    monkeypatch.setattr(environment, "free_memory", lambda: 2.5 * size)
    run, _ = fit(vectors, sources=[f"vectors:{vectors}/w02.txt", f"vectors:{vectors}/w32.txt"])
    rows = {row["arm"]: row for row in run.leaderboard()}
    assert rows["w02: probe"]["score"] is not None
    assert "of memory" in rows["w32: probe"]["reason"]


def test_of_pairs_each_way_of_reading_is_probed(vectors: Path) -> None:
    found, told = fit(
        vectors,
        data=sentences(per_class=12, pairs=True),
        sources=[f"vectors:{vectors}/w{n}.txt" for n in ("03", "24")],
    )
    (searched,) = [e for e in told if e.kind == "search"]
    assert len(searched.data["kept"]) + len(searched.data["left_out"]) == 4, "each source in two ways"
    ways = {name.endswith("apart") for name in searched.data["kept"]}
    assert ways == {True, False}
    probed = [
        row["arm"]
        for row in found.leaderboard()
        if row["arm"].endswith(": probe") and row["score"] is not None
    ]
    assert sorted(probed) == sorted(f"{name}: probe" for name in searched.data["kept"])


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of sources whose networks cannot be opened."""
    names: set[str] = set()
    load = sources.load

    def opened(source: Source, **options: Any) -> Any:
        if source.name in names:
            raise RuntimeError(f"size mismatch in {source.name}")
        return load(source, **options)

    monkeypatch.setattr(sources, "load", opened)
    return names


@pytest.mark.parametrize("bad", ["w02", "w24"])
def test_one_broken_source_among_three_ends_itself(vectors: Path, broken: set[str], bad: str) -> None:
    broken.add(bad)
    names = ("w02", "w16", "w24")
    run, _ = fit(vectors, sources=[f"vectors:{vectors}/{name}.txt" for name in names])
    rows = {row["source"]: row for row in run.leaderboard() if row["strategy"] == "probe"}
    assert rows[bad]["status"] == "failed"
    assert rows[bad]["reason"] == f"RuntimeError: size mismatch in {bad}"
    assert {name for name, row in rows.items() if row["score"] is not None} == {*names} - {bad}


def test_a_run_of_which_every_source_is_broken_is_one_sentence(vectors: Path, broken: set[str]) -> None:
    broken |= {"w02", "w16", "w24"}
    with pytest.raises(SourceError, match=r"it broke .*size mismatch.*no source of this run could be used"):
        fit(vectors, sources=[f"vectors:{vectors}/{name}.txt" for name in sorted(broken)])
    assert not (vectors / "run" / "model").exists()
