"""What a run measures before its first arm, and what it need not measure again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart import sources
from headstart.core import environment
from headstart.passes import extractor
from headstart.run import set_up
from headstart.run.state.context import peak_memory


def test_a_resumed_run_measures_only_what_is_not_known_of_this_machine(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, measured = make_run().context, []
    monkeypatch.setattr(extractor, "measure_pass", lambda *_: measured.append("tiny") or 2.0)
    set_up.measure(bench)
    assert (bench.passes, measured) == ({"tiny": 2.0}, ["tiny"])
    assert bench.read == {"tiny"}  # its features lie in the store
    bench.read.clear()
    first = bench.closing.proof
    bench.closing.opened, bench.closing.crowded = 60.0, 2.5  # it is busier when the run goes on
    set_up.measure(bench)
    assert bench.closing.proof == first
    assert (bench.read, measured) == ({"tiny"}, ["tiny"])  # no arm of a resumed run pays for a pass again
    monkeypatch.setattr(environment, "machine", lambda: {"processor": "another"})
    set_up.measure(bench)
    assert measured == ["tiny", "tiny"]


def test_a_system_that_does_not_tell_how_much_memory_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peak_memory() > 0
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory() == 0


def test_a_run_needs_no_source_where_no_strategy_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "at_hand", lambda modality: [])
    rng = np.random.default_rng(0)
    x = [rng.integers(80 * (i % 2), 100 + 80 * (i % 2), (8, 8, 3), np.uint8) for i in range(24)]
    y = ["dark", "light"] * 12
    run = hs.fit(x, labels=y, strategies=["majority", "pixels"], budget=30, out=tmp_path / "run")
    rows = {row["arm"]: row for row in run.leaderboard()}
    assert set(rows) == {"majority", "pixels"}
    assert rows["pixels"]["score"] > 0.9
    assert (tmp_path / "run" / "report.html").is_file()
    for wanted in (["probe"], ["pixels", "full"], []):
        with pytest.raises(hs.HeadstartError, match="no source of images is on this machine"):
            hs.fit(x, labels=y, strategies=wanted, budget=30, out=tmp_path / "other")
