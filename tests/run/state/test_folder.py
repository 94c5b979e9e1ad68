from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from headstart.core.events import Event
from headstart.core.evidence import Cost
from headstart.core.strategy import Trial
from headstart.errors import RunError, UnknownName
from headstart.run.state.folder import RunFolder, default_folder, read_run, slug

QUESTION = {"data": "abc", "sources": ["bundled/strokes"], "seed": 0}


def trial(arm: str = "strokes: probe") -> Trial:
    predictions = np.full((2, 5, 3), np.nan, np.float32)
    predictions[0] = 1 / 3
    return Trial(
        arm, "probe", "strokes", predictions, Cost(1.0, 2.5, 10), choices={"taps": ["a/g1"]}, digest="d"
    )


def test_the_same_question_resumes_and_another_is_refused(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        assert folder.begin(QUESTION) is False
        assert folder.begin(QUESTION) is True
        with pytest.raises(RunError, match="a run with other metric"):
            folder.begin({**QUESTION, "metric": "F1"})
        with pytest.raises(RunError, match="other seed"):
            folder.begin({**QUESTION, "seed": 1})


def test_trials_come_back_as_they_were(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.save_trial(trial())
        back = folder.trials()["strokes: probe"]
    np.testing.assert_array_equal(back.predictions.array, trial().predictions.array)
    assert {k: v for k, v in vars(back).items() if k != "predictions"} == {
        k: v for k, v in vars(trial()).items() if k != "predictions"
    }


def test_half_written_trials_do_not_count(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.workdir("strokes: probe")
        assert folder.trials() == {}
        folder.save_trial(trial())
        (folder.workdir("strokes: probe").parent / "trial.json").unlink()
        assert folder.trials() == {}


def test_a_damaged_trial_is_named(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.save_trial(trial())
        (tmp_path / "run/trials/strokes-probe/predictions.npz").write_bytes(b"PK nonsense")
        with pytest.raises(RunError, match=r"strokes-probe/predictions.npz is damaged"):
            folder.trials()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run"), pytest.raises(RunError, match="another process"):
        RunFolder(tmp_path / "run").__enter__()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="not empty and holds no run"):
        RunFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def stop_with(path: Path, error: BaseException) -> None:
    with RunFolder(path) as folder:
        folder.begin(QUESTION)
        raise error


def test_a_mistake_leaves_nothing_and_an_interruption_everything(tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        stop_with(tmp_path / "run", UnknownName("stage", "layer99", ["layer1"]))
    assert not (tmp_path / "run").exists()
    with pytest.raises(KeyboardInterrupt):
        stop_with(tmp_path / "run", KeyboardInterrupt())
    assert read_run(tmp_path / "run")["question"] == QUESTION


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder(tmp_path / "run")


def test_progress_stays_out_of_the_log(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.event(Event("progress", {"done": 1}))
        folder.event(Event("note", {"text": "Größe"}))
    lines = (tmp_path / "run/events.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["note"]


@pytest.mark.parametrize("content", ["{", '{"version": 99}', "[]"])
def test_foreign_run_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"damaged|newer|holds no run"):
        read_run(tmp_path)


def test_default_folders_count_up_and_find_their_own(tmp_path: Path) -> None:
    first = default_folder("photos", QUESTION, tmp_path)
    with RunFolder(first) as folder:
        folder.begin(QUESTION)
    assert first.name == "photos-1"
    assert default_folder("photos", QUESTION, tmp_path) == first
    assert default_folder("photos", {**QUESTION, "seed": 1}, tmp_path).name == "photos-2"


def test_names_of_folders() -> None:
    assert slug("timm/resnet18.a1: probe") == "timm-resnet18.a1-probe"
    assert slug("///") == "arm"
    assert slug("größe: full") == "größe-full"


def test_what_killed_processes_left_is_removed_but_not_under_a_living_one(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.begin(QUESTION)
        work = folder.workdir("strokes: probe")
        model = tmp_path / "run" / ".model.ab12_xyz.tmp"
        (model / "model").mkdir(parents=True)
        (model / "model" / "tensors.safetensors").write_bytes(b"five megabytes")
        (work / ".fold-0001.npz.0123abcd.tmp").touch()
        (work / "fold-0000.npz").touch()
        with pytest.raises(RunError, match="another process"):
            RunFolder(tmp_path / "run").__enter__()
        assert model.exists()
    with RunFolder(tmp_path / "run"):
        assert not model.exists()
        assert [path.name for path in work.iterdir()] == ["fold-0000.npz"]


@pytest.mark.parametrize("name", ["events.jsonl", "trials", ".lock", "trials/majority"])
def test_a_folder_prepared_with_links_is_refused(name: str, tmp_path: Path) -> None:
    """In a shared place somebody else's folder must not have us write to the user's files."""
    (tmp_path / "home").mkdir()
    (tmp_path / "run").mkdir()
    if "/" in name:
        (tmp_path / "run" / "trials").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "home")
    with pytest.raises(RunError, match=f"{name} in it is a link"):
        RunFolder(tmp_path / "run")
    assert list((tmp_path / "home").iterdir()) == []


def test_the_log_follows_no_link_that_is_put_there_later(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine\n")
    with RunFolder(tmp_path / "run") as folder:
        (tmp_path / "run" / "events.jsonl").symlink_to(tmp_path / "notes.txt")
        with pytest.raises(RunError, match=r"events.jsonl cannot be written"):
            folder.event(Event("note", {"text": "hello"}))
    assert (tmp_path / "notes.txt").read_text() == "mine\n"


def test_a_folder_is_cleared_away_before_others_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []

    def clearing(path: Path, **_: object) -> None:
        with pytest.raises(RunError, match="another process"):
            RunFolder(path).__enter__()
        entered.append(path)

    monkeypatch.setattr("headstart.run.state.folder.shutil.rmtree", clearing)
    with pytest.raises(UnknownName):
        stop_with(tmp_path / "run", UnknownName("stage", "layer99", ["layer1"]))
    assert entered == [tmp_path / "run"]


def test_who_waited_for_a_folder_that_was_cleared_away_gets_a_new_one(tmp_path: Path) -> None:
    late = RunFolder(tmp_path / "run")
    with pytest.raises(UnknownName):
        stop_with(tmp_path / "run", UnknownName("stage", "layer99", ["layer1"]))
    with late:
        assert late.begin(QUESTION) is False
        with pytest.raises(RunError, match="another process"):
            RunFolder(tmp_path / "run").__enter__()


def test_a_run_that_was_judged_otherwise_is_another(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.begin({**QUESTION, "metric": "F1"})
        with pytest.raises(RunError, match="a run with other metric"):
            folder.begin(QUESTION)
