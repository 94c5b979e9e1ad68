from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from headstart import api
from headstart.cli.fit import fit_command, plan_command


def test_a_plan_is_that_of_the_fit_with_the_same_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, plans = (dict(signature(command).parameters) for command in (fit_command, plan_command))
    assert plans == {name: taken for name, taken in fits.items() if name not in ("out", "quiet")}
    asked: dict[str, Any] = {}
    nothing = {"steps": [], "skipped": [], "seconds": 0.0, "budget": 60.0}
    monkeypatch.setattr(api, "plan", lambda data, listen, **given: asked.update(given) or nothing)
    (tmp_path / "map.json").write_text('{"cat": "tom"}')
    plan_command("photos", views=8, lr=0.1, label_map=tmp_path / "map.json")
    assert (asked["views"], asked["lr"], asked["label_map"]) == (8, 0.1, {"cat": "tom"})
