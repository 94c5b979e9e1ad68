"""Data frames and dicts of columns: read as a table on disk is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from headstart.data import load
from headstart.errors import DataError, UnknownName
from headstart.predict.inputs import items_of

TEXTS = ["the cat sat on the mat", "a dog ran in the park", "it rains a lot here", "we like good bread"]
COLUMNS = {"text": TEXTS, "label": ["a", "b", "a", "b"], "patient_id": [1, 1, 2, 2]}


def pandas_frame(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


FORMS = (pandas_frame, pl.DataFrame, dict)


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_is_a_table(form: Any, tmp_path: Path) -> None:
    pl.DataFrame(COLUMNS).write_csv(tmp_path / "t.csv")
    wanted, found = load(tmp_path / "t.csv"), load(form(COLUMNS))
    assert [vars(item) for item in found.items] == [vars(item) for item in wanted.items]
    assert found.task == wanted.task
    assert np.array_equal(found.y, wanted.y)
    assert np.array_equal(found.groups, wanted.groups)


@pytest.mark.parametrize("form", FORMS)
def test_labels_may_be_given_beside_it(form: Any) -> None:
    found = load(form({"text": TEXTS}), labels=["x", "y", "y", "x"])
    assert found.y.tolist() == [0, 1, 1, 0]
    assert load(form(COLUMNS), labels=["b", "a"]).task.labels == ("b", "a")


@pytest.mark.parametrize("form", FORMS)
def test_no_column_of_a_frame_is_its_own_answer(form: Any) -> None:
    """Iterating a frame gives the names of its columns: those were answered once."""
    assert [item.text for item in items_of(form(COLUMNS), "text")] == TEXTS
    pairs = form({"question1": TEXTS, "question2": TEXTS[::-1]})
    assert [item.second for item in items_of(pairs, "text")] == TEXTS[::-1]
    named = items_of(form({"a": TEXTS, "b": TEXTS[::-1]}), "text", text_column="b")
    assert [item.text for item in named] == TEXTS[::-1]


def test_holes_of_pandas_are_empty_texts() -> None:
    frame = pandas_frame({"text": [TEXTS[0], None, float("nan"), TEXTS[3]], "label": [0, 1, 0, 1]})
    assert [item.text for item in load(frame).items] == [TEXTS[0], "", "", TEXTS[3]]


def test_a_frame_may_name_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "pq":
        Image.new("RGB", (8, 8)).save(f"{name}.png")
    frame = pl.DataFrame({"file": ["p.png", "q.png"], "species": ["ant", "bee"]})
    assert load(frame).modality == "image"
    assert [item.read()[1:4] for item in items_of(frame)] == [b"PNG", b"PNG"]


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (pl.DataFrame({"x": [1.5, 1.5], "y": [0, 1]}), DataError),
        (pl.DataFrame({"text": []}), DataError),
        ({"text": TEXTS, "label": ["a"]}, DataError),
        ({"text": 3}, DataError),
    ],
)
def test_what_is_no_table_of_items(frame: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        load(frame)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(UnknownName):
        load(pl.DataFrame(COLUMNS), text_column="txt")
