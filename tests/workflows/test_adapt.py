"""adapt, from a real run to a real run: decided without labels of the target, resumed, refused in one sentence."""

from __future__ import annotations

import builtins
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.cli import adapt as screen
from headstart.core.budget import Budget
from headstart.core.dataset import Dataset
from headstart.core.targets import Dense
from headstart.errors import DataError, PathError, RunError
from headstart.planning.adaptation import Decision
from headstart.report import markdown
from headstart.run.state.folder import RunFolder
from headstart.strategies import adapt as adapters
from headstart.strategies.adapt import assess
from headstart.strategies.adapt.assess import Assessed
from headstart.strategies.adapt.deep import _base as deep
from headstart.testing.fakes import SHAPES, shape
from headstart.workflows import adapt as workflow
from headstart.workflows import target_labels
from warm import prove_here

pytestmark = pytest.mark.slow


def write(folder: Path, *, pale: bool, each: int, seed: int, classes: bool) -> None:
    """Pictures of three shapes, in folders of their classes or all in one."""
    rng = np.random.default_rng(seed)
    for label in SHAPES[:3]:
        place = folder / label if classes else folder
        place.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            picture = shape(label, rng, side=32).astype(float)
            picture = 70 + 0.4 * picture if pale else picture
            Image.fromarray(picture.astype(np.uint8)).save(place / f"{label}-{number:02d}.png")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, and targets."""
    where = tmp_path_factory.mktemp("adapt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(where / "cache"))
        prove_here(patch)
        write(where / "source", pale=False, each=14, seed=0, classes=True)
        write(where / "target", pale=True, each=20, seed=1, classes=False)
        write(where / "labels", pale=True, each=20, seed=1, classes=True)
        hs.fit(
            where / "source", sources=["bundled/strokes"], strategies=["probe"], budget=20, out=where / "run"
        )
    return where


@pytest.fixture(autouse=True)
def cached(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(place / "cache"))
    few = {name: adapters.ADAPTERS[name] for name in ("none", "linot")}
    monkeypatch.setattr(adapters, "ADAPTERS", few)
    monkeypatch.setattr(workflow.adaptation, "TRAINED", ())
    prove_here(monkeypatch)


def test_the_run_that_is_written_is_a_run(place: Path) -> None:
    found = hs.adapt(place / "run", place / "target", out=place / "plain")
    assert found.decision in ("adapted", "kept")
    run = hs.open_run(found.folder)
    answers = run.model.predict(place / "target").answers
    assert len(answers) == 60
    assert set(answers) <= set(SHAPES)
    if found.decision == "kept":
        assert answers == hs.open_run(place / "run").model.predict(place / "target").answers
    said = json.loads((found.folder / "run.json").read_text())["adaptation"]
    assert said["transfer"] == "transductive"
    assert {one["adapter"] for one in said["pool"]} == {"none", "linot"}
    assert "1 of 12" in said["base_rate_of_harm"]
    again = hs.adapt(place / "run", place / "target", out=place / "plain")
    assert (again.decision, again.reason) == (found.decision, found.reason)


def test_what_is_decided_is_shipped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decision = Decision("adapted", "linot", "because", (0.1, 0.0, 0.2), {})
    monkeypatch.setattr(workflow.adaptation, "decide", lambda *_: decision)
    found = hs.adapt(place / "run", place / "target", out=place / "forced")
    run = hs.open_run(found.folder)
    shipped = next(row for row in run.leaderboard() if row["shipped"])
    assert (shipped["arm"], shipped["strategy"]) == ("strokes: linot", "linot")
    before = hs.open_run(place / "run").model.predict(place / "target").scores
    assert np.abs(run.model.predict(place / "target").scores - before).max() > 0.01
    assert run.model.evaluate(place / "labels").headline.n == 60
    assert 'id="adaptation"' in (found.folder / "report.html").read_text()
    shown = json.loads((found.folder / "domains.json").read_text())
    assert shown["moved"]
    assert [point["part"] for point in shown["after"]].count("test") == 60
    assert markdown.render(run.record, {}, []).startswith("## Adapted by linear optimal transport")
    assert len(hs.label_next(run, place / "target", n=2).picks) == 2
    assert hs.compare([place / "run", found.folder]).pairs[0].items == 42
    assert found.to_json()["expected_gain"] == {"value": 0.1, "low": 0.0, "high": 0.2}


def test_networks_are_trained_within_the_budget_and_ship(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow.adaptation, "TRAINED", ("shot",))
    monkeypatch.setattr(deep, "MOST_EPOCHS", 1)
    found = hs.adapt(place / "run", place / "target", out=place / "trained")
    shot = next(Assessed.from_json(one) for one in found.record["pool"] if one["adapter"] == "shot")
    assert (shot.refused, len(shot.base), len(shot.again)) == ("", 6, 5)
    assert shot.checkpoint in range(5)
    decision = Decision("adapted", "shot", "because", (0.1, 0.0, 0.2), {})
    monkeypatch.setattr(workflow.adaptation, "decide", lambda *_: decision)
    resumed = hs.adapt(place / "run", place / "target", out=place / "trained")
    assert json.dumps(resumed.record["pool"]) == json.dumps(found.record["pool"]), "it trains again"
    answers = hs.open_run(resumed.folder).model.predict(place / "target")
    shares = np.bincount(answers.scores.argmax(axis=1), minlength=3) / len(answers.answers)
    assert shares == pytest.approx(shot.said, abs=0.02)
    brief = hs.adapt(place / "run", place / "target", out=place / "brief", budget=0.001)
    assert "no time is left" in brief.record["pool"][-1]["refused"]


def test_an_untouched_model_keeps_what_was_found_of_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = Decision("kept", "none", "do not adapt: no <evidence>", checks={})
    monkeypatch.setattr(workflow.adaptation, "decide", lambda *_: decision)
    found = hs.adapt(place / "run", place / "target", out=tmp_path / "kept")
    assert hs.compare([place / "run", found.folder]).pairs[0].gain == 0
    page = (found.folder / "report.html").read_text()
    assert "Not adapted" in page
    assert "no &lt;evidence&gt;" in page
    assert "label-next" in page
    assert hs.open_run(found.folder).insight == hs.open_run(place / "run").insight


def test_a_run_keeps_the_shifts_that_were_found_of_it(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "run", tmp_path / "run")
    for _ in range(2):
        found = hs.shift(tmp_path / "run", place / "target")
    noted = json.loads((tmp_path / "run" / "shifts.json").read_text())["shifts"]
    assert [one["kind"] for one in noted] == [found.kind]
    page = hs.open_run(tmp_path / "run").drawn().read_text()
    assert 'id="shifts"' in page
    assert found.next == "" or found.next.split()[1] in ("adapt", "label-next")
    (tmp_path / "run" / "shifts.json").unlink()
    (tmp_path / "run" / "shifts.json").mkdir()
    assert hs.shift(tmp_path / "run", place / "target").kind == found.kind  # and nothing is noted


def test_no_step_but_the_last_reads_a_label(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file of labels nor a label of a target's row, before the paired test begins."""
    begun = []
    read, opened = target_labels.read_labels, builtins.open
    labels = {path.resolve() for path in (place / "labels").rglob("*.png")}

    def begin(*given: Any) -> Any:
        begun.append(True)
        return read(*given)

    def watched(file: Any, *more: Any, **options: Any) -> Any:
        assert begun or not isinstance(file, str | Path) or Path(file).resolve() not in labels, file
        return opened(file, *more, **options)

    def asked(self: Dense, rows: Any) -> Any:
        found = self.array[rows]
        assert begun or len(self) != 102 or (np.asarray(found) >= 0).all(), "a row of the target was asked"
        return Dense_getitem(self, rows)

    def made(self: Dataset) -> None:
        post(self)
        if self.name == "both" and self.task is not None:
            known = (
                self.targets.known
            )  # those of the target are pseudo-labels, where the domains change roles
            assert not (known[:42].any() and known[42:].any()), "the data set has labels of the target"

    Dense_getitem, post = Dense.__getitem__, Dataset.__post_init__
    monkeypatch.setattr(workflow, "read_labels", begin)
    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(Dense, "__getitem__", asked)
    monkeypatch.setattr(Dataset, "__post_init__", made)
    found = hs.adapt(place / "run", place / "target", labels=place / "labels", out=place / "watched")
    assert begun
    verdict = found.record["labels"]
    assert verdict["items"] == 60
    assert {arm["name"] for arm in verdict["race"]} >= {"source-only", "target-only", "both"}
    assert verdict["suffices"]
    assert "labels of the target decide" in found.reason
    assert found.record["transfer"] == "inductive"


def test_a_budget_ends_in_the_middle_of_an_adapter(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the parts of the target, not after all of them."""
    turns, turned = [], assess.circular

    def slow(adapter: Any, request: Any, p: np.ndarray) -> float:
        turns.append(adapter.name)
        if turns.count("linot") == 3:
            patch.setattr(Budget, "over", True)
        return turned(adapter, request, p)

    with monkeypatch.context() as patch:
        patch.setattr(assess, "circular", slow)
        found = hs.adapt(place / "run", place / "target", out=place / "middle", budget="1h")
    assert "no time is left" in found.record["pool"][1]["refused"]
    assert turns.count("linot") == 3
    assert hs.adapt(place / "run", place / "target", out=place / "middle").record["pool"][1]["refused"] == ""


def test_killed_at_any_moment_the_same_call_goes_on(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the disk after each adapter, and just before the run is complete, is what a kill leaves."""
    saved, wrote = RunFolder.save_trial, RunFolder.write

    def seen(act: Any) -> Any:
        def acting(self: RunFolder, given: Any) -> None:
            if self.path == tmp_path / "out" and (act is saved or given.get("complete")):
                shutil.copytree(self.path, tmp_path / f"left-{len(list(tmp_path.iterdir()))}")
            act(self, given)

        return acting

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save_trial", seen(saved))
        patch.setattr(RunFolder, "write", seen(wrote))
        whole = hs.adapt(place / "run", place / "target", out=tmp_path / "out")
    left = sorted(tmp_path.glob("left-*"))
    assert len(left) == 3
    for folder in left[1:]:
        resumed = hs.adapt(place / "run", place / "target", out=folder)
        assert json.dumps(resumed.record["pool"]) == json.dumps(whole.record["pool"])
        model = hs.open_run(folder).model.predictor.model
        assert model.fingerprint() == hs.open_run(tmp_path / "out").model.predictor.model.fingerprint()


def test_a_full_disk_leaves_what_the_same_call_goes_on_from(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = hs.adapt(place / "run", place / "target", out=tmp_path / "out")
    answers = hs.open_run(before.folder).model.predict(place / "target").answers
    with monkeypatch.context() as patch:
        patch.setattr(workflow.domain_run.bundle, "save", full)
        for out in ("out", "new"):  # over a finished run, and in a folder of its own
            with pytest.raises(RunError, match=r"No space left on device.*free some space"):
                hs.adapt(place / "run", place / "target", out=tmp_path / out)
    assert hs.open_run(before.folder).model.predict(place / "target").answers == answers
    again = hs.adapt(place / "run", place / "target", out=tmp_path / "new")
    assert (again.decision, again.reason) == (before.decision, before.reason)


def test_a_budget_is_kept(place: Path) -> None:
    found = hs.adapt(place / "run", place / "target", out=place / "short", budget=0.001)
    refused = [one["refused"] for one in found.record["pool"]]
    assert refused[0] == ""
    assert all("no time is left" in text for text in refused[1:])
    longer = hs.adapt(place / "run", place / "target", out=place / "short", budget=60)
    assert not any("no time" in one["refused"] for one in longer.record["pool"])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("one", "a single image"),
        ("same", "all 3 images are the same"),
        ("source", "there is nothing to adapt to"),
        ("nothing", "none of 1 image can be read"),
    ],
)
def test_targets_that_cannot_be_used(place: Path, tmp_path: Path, what: str, message: str) -> None:
    first = min((place / "target").iterdir())
    if what == "source":
        given = place / "source"
    else:
        given = tmp_path / what
        given.mkdir()
        for number in range({"one": 1, "same": 3, "nothing": 0}[what]):
            shutil.copy(first, given / f"{number}.png")
        if what == "nothing":
            (given / "0.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=message):
        hs.adapt(place / "run", given, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_target_that_is_not_there(place: Path, tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"phone: no such file or folder; name where the images"):
        hs.adapt(place / "run", tmp_path / "phone", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_that_the_run_does_not_know(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "labels", tmp_path / "labels")
    (tmp_path / "labels" / SHAPES[0]).rename(tmp_path / "labels" / "owl")
    with pytest.raises(DataError, match=r"'owl', which the run does not know; .*partial.*open-set"):
        hs.adapt(place / "run", place / "target", labels=tmp_path / "labels", out=tmp_path / "out")


def test_numbers_are_adapted_to_by_labels_alone(place: Path, tmp_path: Path) -> None:
    """How bright a shape is, where the target's are paler."""
    for name, pale, seed in (("source", False, 0), ("target", True, 1)):
        rng, rows = np.random.default_rng(seed), ["path,bright"]
        (tmp_path / name).mkdir()
        for number in range(60):
            bright = rng.uniform(0.2, 1)
            picture = shape(SHAPES[number % 3], rng, side=32) * bright
            picture = 70 + 0.4 * picture if pale else picture
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / name / f"{number:02d}.png")
            rows.append(f"{number:02d}.png,{10 * bright:.3f}")
        (tmp_path / name / "data.csv").write_text("\n".join(rows))
    source, target, labels = (
        tmp_path / "source" / "data.csv",
        tmp_path / "target",
        tmp_path / "target" / "data.csv",
    )
    hs.fit(
        source,
        label_column="bright",
        sources=["bundled/strokes"],
        strategies=["probe"],
        budget=20,
        out=tmp_path / "run",
    )
    with pytest.raises(
        RunError, match=r"without labels of the target .* give labelled items of the target with --labels"
    ):
        hs.adapt(tmp_path / "run", target, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    labelled = hs.load(labels, label_column="bright")
    found = hs.adapt(tmp_path / "run", target, labels=labels, out=tmp_path / "out")
    assert (found.decision, found.record["transfer"]) == ("adapted", "inductive")
    assert found.adapter in ("source model as prior", "target-only", "both")
    before, after = (
        hs.open_run(tmp_path / name).model.evaluate(labelled).headline.value for name in ("run", "out")
    )
    assert after < before / 2
    assert hs.compare([tmp_path / "run", found.folder]).pairs[0].items == 60
    page = (found.folder / "report.html").read_text()
    assert "What 60 labels of the target say" in page
    assert "How frequent the classes are" not in page
    shown = "".join(screen.text(found))
    assert "labels    60 of the target: MAE on those held out" in shown
    assert "shift" not in shown.split("reason")[0]
    assert markdown.render(hs.open_run(found.folder).record, {}, []).startswith(
        f"## Adapted by {found.adapter}"
    )


KILLED = """
import sys
import headstart as hs
from headstart.planning import adaptation
from headstart.strategies import adapt
adapt.ADAPTERS = {name: adapt.ADAPTERS[name] for name in ("none", "linot")}
adaptation.TRAINED = ()
hs.adapt(sys.argv[1], sys.argv[2], out=sys.argv[3])
"""


def test_a_kill_leaves_the_run_that_was_there_and_the_same_call_goes_on(place: Path, tmp_path: Path) -> None:
    """Killed by the system between the first adapter and the second."""
    given, out = (place / "run", place / "target"), tmp_path / "out"
    whole = hs.adapt(*given, out=out)
    answers = hs.open_run(out).model.predict(place / "target").answers
    shutil.rmtree(out / "trials" / "strokes-linot")
    first = out / "trials" / "strokes-none" / "trial.json"
    seen, end = first.stat().st_mtime_ns, time.monotonic() + 60
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", KILLED, *map(str, (*given, out))], env=environment)
    while first.stat().st_mtime_ns == seen:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL, "it was done before"
    assert not (out / "trials" / "strokes-linot" / "trial.json").exists()
    assert hs.open_run(out).model.predict(place / "target").answers == answers
    again = hs.adapt(*given, out=out)
    assert json.dumps(again.record["pool"]) == json.dumps(whole.record["pool"])
    assert again.reason == whole.reason
    assert hs.open_run(out).model.predict(place / "target").answers == answers
