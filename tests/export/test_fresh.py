"""The process that is started early proves what one started for the purpose proves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headstart.errors import BundleError
from headstart.export import bundle
from headstart.export.fresh import Standby
from headstart.run.conclude import probes
from made.models import tiny_model


def test_it_answers_for_a_copy_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.export.fresh.LIBRARIES", ("headstart.nets.",))
    monkeypatch.setattr(bundle, "_reopen", lambda place, target: pytest.fail("another was started"))
    model, fresh = tiny_model(), Standby()
    assert not fresh.ready
    fresh.start()
    try:
        end = time.monotonic() + 300
        while not fresh.ready and time.monotonic() < end:
            time.sleep(0.1)
        assert fresh.ready
        path = bundle.save(model, tmp_path / "model", probes=probes(model, pairs=False), fresh=fresh)
        assert bundle.load(path).fingerprint() == model.fingerprint()
        assert fresh.answer({"verify": str(path)}) is None, "it proves one copy, knowing of no other"
    finally:
        fresh.close()


def test_what_it_says_counts(tmp_path: Path) -> None:
    class Sceptic(Standby):
        def answer(self, job: Mapping[str, Any]) -> dict[str, object]:
            return {"error": "its network does not run"}

    with pytest.raises(BundleError, match=r"does not open .its network does not run., so it was not kept"):
        bundle.save(
            tiny_model(), tmp_path / "model", probes=probes(tiny_model(), pairs=False), fresh=Sceptic()
        )
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_none_another_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(bundle, "_reopen", lambda job, target: asked.append(Path(job["verify"]).name))
    bundle.save(tiny_model(), tmp_path / "model", probes=probes(tiny_model(), pairs=False), fresh=Standby())
    assert asked == ["model"]
