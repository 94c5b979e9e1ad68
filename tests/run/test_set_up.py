"""What a run measures before its first arm, and what it need not measure again."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from headstart.core import environment
from headstart.run import set_up
from headstart.run.state.context import peak_memory


def test_a_resumed_run_measures_only_what_is_not_known_of_this_machine(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, measured = make_run().context, []
    monkeypatch.setattr(set_up, "measure_pass", lambda *_: measured.append("tiny") or 2.0)
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
