from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart import api
from headstart.errors import BadOption, RunError, UnknownName
from headstart.report import page
from headstart.run import set_up
from warm import prove_here

DOTS = np.random.default_rng(0).integers(0, 90, (40, 16, 16), np.uint8)
DOTS[::2, 4:12, 4:12] += 120
QUICK: dict[str, Any] = {
    "labels": ["square", "none"] * 20,
    "sources": "bundled/strokes",
    "strategies": "probe",
    "budget": "30s",
}


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("budget", -5),
        ("budget", float("nan")),
        ("budget", [1]),
        ("budget", "soon"),
        ("seed", -1),
        ("seed", "0"),
    ],
)
def test_options_that_make_no_sense(option: str, value: Any) -> None:
    with pytest.raises(BadOption):
        api.ask_from("photos", {option: value})


def test_a_misspelt_option_is_named() -> None:
    with pytest.raises(UnknownName, match="budget"):
        api.ask_from("photos", {"budgets": "10min"})


def test_one_name_is_as_good_as_a_list() -> None:
    asked = api.ask_from("photos", {"sources": "bundled/strokes", "strategies": "probe"})
    assert (asked.sources, asked.strategies) == (("bundled/strokes",), ("probe",))


def dies(*_: Any) -> Path:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_is_finished_when_model_and_page_belong_to_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove_here(monkeypatch)
    out, asked = tmp_path / "run", {**QUICK, "strategies": "majority", "out": tmp_path / "run"}
    with monkeypatch.context() as patched:
        patched.setattr(page, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            hs.fit(list(DOTS), drop_bad=True, **asked)
    with pytest.raises(RunError, match="has not finished"):
        hs.open_run(out)
    run = hs.fit(list(DOTS), drop_bad=True, **asked)
    assert "--drop-bad" in run.record["command"]
    assert run.record["complete"]
    assert run.report().is_file()


@pytest.mark.slow
def test_a_pass_that_cannot_fit_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_up, "measure_pass", lambda *_: 3600.0)
    with pytest.raises(BadOption, match=r"--budget is '30 s'.*more than 1 h"):
        hs.fit(list(DOTS), out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
