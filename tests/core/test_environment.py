from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import pytest

from headstart.core.environment import Ahead, importing


def test_modules_are_imported_by_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ahead_one.py").write_text("import threading; by = threading.get_ident()")
    with Ahead() as ahead:
        ahead.begin(["there.is.no.such.module", "ahead_one"])
    assert sys.modules["ahead_one"].by != threading.get_ident()
    assert ahead.seconds >= 0
    with Ahead() as nothing:
        pass
    assert nothing.seconds == 0


def test_garbage_is_looked_for_again_after_imports() -> None:
    with importing():
        assert not gc.isenabled()
        made: list[object] = [[]]
    assert gc.isenabled()
    assert any(one is made for one in gc.get_objects(generation=2))
    gc.disable()
    with importing():
        pass
    assert not gc.isenabled(), "as it was"
    gc.enable()


def test_a_block_that_raises_waits_for_no_more_than_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "reached", threading.Event(), raising=False)
    monkeypatch.setattr(sys, "free", threading.Event(), raising=False)
    (tmp_path / "ahead_slow.py").write_text("import sys; sys.reached.set(); sys.free.wait(60)")
    (tmp_path / "ahead_never.py").write_text("")
    ahead = Ahead()
    ahead.begin(["ahead_slow", "ahead_never"])
    assert sys.reached.wait(60)  # type: ignore[attr-defined]
    with pytest.raises(KeyError), ahead:
        raise KeyError
    assert "ahead_never" not in sys.modules, "left before the first import was done"
    sys.free.set()  # type: ignore[attr-defined]
    ahead._thread.join()
    assert "ahead_never" not in sys.modules
