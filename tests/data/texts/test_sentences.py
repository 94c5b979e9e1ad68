"""Tables whose targets are texts: how they are recognised, held, and judged by the doctor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headstart import tasks
from headstart.core.dataset import Dataset, TextItem
from headstart.data import load
from headstart.data.checks.doctor import check
from headstart.data.checks.findings import said
from headstart.data.texts.targets import Sentences

PAIRS = {
    "source": ["a dog runs", "a cat sleeps", "two birds sing", "NA", "the end"],
    "target": ["ein Hund rennt", "eine Katze schläft", "zwei Vögel singen", "NA", None],
}


def test_source_and_target_are_a_translation_and_that_is_told() -> None:
    data = load(pl.DataFrame(PAIRS))
    assert data.task is not None
    assert (data.task.kind, data.task.labels, data.task.metric) == ("translate", ("target",), "chrF")
    assert data.labelled.tolist() == [True, True, True, True, False]  # "NA" may well be said
    assert any("read as translate" in note.message for note in data.notes if note.code == "HS310")


@pytest.mark.parametrize(
    ("columns", "kind", "pairs"),
    [
        (("document", "summary"), "summarize", False),
        (("question", "context", "answer"), "answer", True),
        (("prompt", "completion"), "generate", False),
    ],
)
def test_other_kinds_by_their_columns(columns: tuple[str, ...], kind: str, pairs: bool) -> None:
    data = load(pl.DataFrame({name: [f"{name} number {i} of these" for i in range(6)] for name in columns}))
    assert data.task is not None
    assert (data.task.kind, data.pairs) == (kind, pairs)


def test_targets_that_recur_are_classes_unless_it_is_said() -> None:
    table = pl.DataFrame({"source": [f"text number {i} here" for i in range(6)], "target": ["yes", "no"] * 3})
    assert load(table).task.kind == "classification"
    assert load(table, task="translate").task.kind == "translate"
    assert load(table, text_column="source", label_column="target", task="summarize").task.kind == "summarize"


def test_targets_can_be_hidden_and_picked() -> None:
    held = Sentences(["a", None, "c"])
    assert held[np.array([0, 2])].tolist() == ["a", "c"]
    assert held[2] == "c"
    with pytest.raises(LookupError, match="1 of the rows"):
        held[np.array([0, 1])]
    assert held.hidden(np.array([2])).to_list() == [None, None, "c"]
    assert held.subset(np.array([2, 0])).to_list() == ["c", "a"]
    assert not np.array_equal(held.content(), held.hidden(np.array([2])).content())


def codes(table: dict[str, list[str]], **said: str) -> set[str]:
    return {one.code for one in check(load(pl.DataFrame(table), **said)).findings}


def test_the_doctor_tells_what_cannot_be_meant() -> None:
    texts = [f"the sentence number {i} is here" for i in range(12)]
    good = {"source": texts, "target": [text[::-1] for text in texts]}
    wrong = {f"HS34{i}" for i in range(7)}
    assert not codes(good) & wrong
    assert "HS340" in codes({**good, "target": [texts[0], *good["target"][1:]]})
    assert "HS342" in codes({**good, "target": ["long " * 60, *good["target"][1:]]})
    parts = ["test"] + ["train"] * 11
    assert "HS343" in codes({**good, "target": [good["target"][1], *good["target"][1:]], "split": parts})
    asked = {"question": texts, "context": [f"It is {i} o'clock in town {i}." for i in range(12)]}
    found = [f"{i} o'clock" for i in range(12)]
    assert "HS341" not in codes({**asked, "answer": found})
    assert "HS341" in codes({**asked, "answer": ["noon", *found[1:]]})


def test_the_doctor_tells_paths_languages_and_characters_of_texts() -> None:
    english = [f"the man and the woman are in the house number {i}" for i in range(12)]
    german = [f"der Mann und die Frau sind in dem Haus Nummer {i}" for i in range(12)]
    good = {"source": english, "target": german}
    assert not codes(good) & {"HS344", "HS345", "HS346"}
    assert "HS344" in codes({**good, "target": ["clips/one.wav", *german[1:]]})
    assert "HS344" not in codes({**good, "target": ["see clips/one.wav", *german[1:]]})
    others = [f"the woman is not with the man and the dog {i}" for i in range(12)]
    assert "HS345" in codes({**good, "target": others})
    assert "HS345" not in codes({"document": english, "summary": [one[:40] for one in others]})
    assert "HS345" in codes({**good, "target": [*english[8:], *german[:8]]}, task="translate")


def test_the_doctor_tells_characters_that_cannot_be_learnt() -> None:
    task = tasks.get("transcribe").make_task(["transcript"])
    wanted = ["red dog", "red god", "a dog", "a god", "red æ", "dog žž", "god žž"]
    items = tuple(TextItem(f"clip {row}", f"clip {row}") for row in range(len(wanted)))
    parts = np.array(["train"] * 5 + ["test"] * 2)
    data = Dataset("clips", "text", items, task, Sentences(wanted), split=parts)
    found = [one for one in said.findings(data, np.ones(len(data), bool)) if one.code == "HS346"]
    assert [(one.row, one.message.split("'")[1]) for one in found] == [(4, "æ"), (5, "ž")]
    assert "2 of the test part alone" in found[1].message


def test_the_doctor_tells_which_transcripts_cannot_have_been_said(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    names = [f"clip{number}.wav" for number in range(12)]
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).normal(0, 0.1, 8_000)
        soundfile.write(str(tmp_path / name), noise, 8_000)

    def told(transcripts: list[str]) -> list[tuple[str, str]]:
        table = pl.DataFrame({"audio": [str(tmp_path / name) for name in names], "transcript": transcripts})
        found = check(load(table)).findings
        return [(one.code, one.where) for one in found if one.code in ("HS302", "HS347")]

    good = [f"this is number {number}" for number in range(12)]
    assert not told(good)
    assert [code for code, _ in told([*good[:-1], "on and on " * 20])] == ["HS347"]
    assert [code for code, _ in told([*good[:-1], "a"])] == ["HS347"]
    assert [code for code, _ in told([*good[:-1], ""])] == ["HS302"]
