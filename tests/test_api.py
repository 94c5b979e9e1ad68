from __future__ import annotations

import json
import shlex
import sys
import threading
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

import headstart as hs
from headstart import api
from headstart.errors import BadOption, HeadstartError, RunError, UnknownName
from headstart.export import bundle
from headstart.insight import panels
from headstart.passes import extractor
from headstart.report import page, samples
from headstart.run import conclude as conclusion
from headstart.run.state.config import RunConfig
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
        RunConfig.of("photos", {option: value})


def test_a_misspelt_option_is_named() -> None:
    with pytest.raises(UnknownName, match="budget"):
        RunConfig.of("photos", {"budgets": "10min"})


def test_one_name_is_as_good_as_a_list() -> None:
    asked = RunConfig.of("photos", {"sources": "bundled/strokes", "strategies": "probe"})
    assert (asked.sources, asked.strategies) == (("bundled/strokes",), ("probe",))


def test_the_page_is_thought_about_while_the_model_is_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, begun = threading.Event(), threading.Event()

    def save(model: Any, path: Path, **_: Any) -> Path:
        begun.set()
        assert told.wait(60), "the insight waits for the proof"
        raise HeadstartError("a proof that failed")

    def insight(result: Any) -> dict[str, Any]:
        assert begun.wait(60), "the proof waits for the insight"
        told.set()
        return {}

    monkeypatch.setattr(bundle, "save", save)
    monkeypatch.setattr(panels, "insight_of", insight)
    monkeypatch.setattr(samples, "gather", lambda *_, **__: {})
    monkeypatch.setattr(conclusion, "probes", lambda *_, **__: None)
    result, config = MagicMock(), RunConfig.of("photos", {})
    result.folder.path = tmp_path
    with pytest.raises(HeadstartError, match="a proof that failed"):
        api.conclude(result, config)
    assert not [*tmp_path.iterdir()], "no page without a model"


def test_the_command_in_the_report_works_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "run").mkdir()
    options = {
        "sources": ["bundled/strokes", "file:net.pth?arch=x"],
        "label_map": MappingProxyType({"cat": "tom"}),
        "labels": np.array(["tom", "rest"]),
    }
    told = shlex.split(RunConfig.of("photos", options).command(Path("run")))
    here = tmp_path.resolve()
    assert told[:3] == ["headstart", "fit", str(here / "photos")]
    assert f"file:{here / 'net.pth'}?arch=x" in told
    assert told[told.index("--labels") + 1] == "tom"
    assert told[-2:] == ["--out", str(here / "run")]
    assert json.loads(Path(told[told.index("--label-map") + 1]).read_text()) == {"cat": "tom"}
    assert shlex.split(RunConfig.of(list(DOTS), {}).command(Path("run")))[2] == "DATA"


@pytest.mark.parametrize("begin", [hs.fit, hs.plan])
def test_several_processes_are_refused_before_anything_is_read(
    begin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would train on the same items and write the same files."""
    with monkeypatch.context() as patched:
        patched.setenv("WORLD_SIZE", "2")
        with pytest.raises(HeadstartError, match=r"one of 2 processes .*: run (fit|plan) without one"):
            begin(tmp_path / "gone")
        group = SimpleNamespace(
            is_available=lambda: True, is_initialized=lambda: True, get_world_size=lambda: 3
        )
        patched.setitem(sys.modules, "torch.distributed", group)  # type: ignore[arg-type]
        with pytest.raises(HeadstartError, match="one of 3 processes"):
            begin(tmp_path / "gone")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(HeadstartError, match="gone"):
        begin(tmp_path / "gone")


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
    monkeypatch.setattr(extractor, "measure_pass", lambda *_: 3600.0)
    with pytest.raises(BadOption, match=r"--budget is '30 s'.*more than 1 h"):
        hs.fit(list(DOTS), out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
