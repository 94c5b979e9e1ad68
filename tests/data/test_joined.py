"""Items without a label that are given beside the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.data.checks import doctor
from headstart.errors import DataError, PathError

TEXTS = ["too late", "well done", "broken", "so good", "never again", "lovely"]
LABELS = ["bad", "good"] * 3


def test_they_come_last_and_have_no_label() -> None:
    found = hs.load(TEXTS, labels=LABELS, unlabelled=["who knows", "maybe"])
    assert found.labelled.tolist() == [True] * 6 + [False] * 2
    assert [item.id for item in found.items[-2:]] == ["unlabelled/row 1", "unlabelled/row 2"]
    assert found.task == hs.load(TEXTS, labels=LABELS).task
    assert not [one for one in doctor.check(found).findings if one.code == "HS302"]


def test_their_own_labels_are_not_looked_at(tmp_path: Path) -> None:
    table = tmp_path / "more.csv"
    table.write_text("text,label\nwho knows,other\nmaybe,\n", encoding="utf-8")
    found = hs.load(TEXTS, labels=LABELS, unlabelled=str(table))
    assert found.task is not None
    assert found.task.labels == ("bad", "good")
    assert int(found.labelled.sum()) == 6


def test_one_is_enough_to_be_read(tmp_path: Path) -> None:
    table = tmp_path / "data.csv"
    rows = "".join(f"{text},{label},{n}\n" for n, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)))
    table.write_text("text,label,group\n" + rows, encoding="utf-8")
    found = hs.load(table, group_column="group", unlabelled=["who knows"])
    assert len(found) == 7
    assert found.groups is not None
    assert len(np.unique(found.groups)) == 7


@pytest.mark.parametrize("values", [[1.5, 2.25, 3.0, 4.75, 5.5, 6.25]])
def test_numbers_have_none_either(values: list[float]) -> None:
    found = hs.load(TEXTS, labels=values, task="regression", unlabelled=["who knows"])
    assert found.y is not None
    assert np.isnan(found.y[-1])
    assert found.labelled.sum() == 6


def test_another_kind_is_refused() -> None:
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    with pytest.raises(DataError, match=r"holds images, but .* holds texts; give texts without labels"):
        hs.load(TEXTS, labels=LABELS, unlabelled=pictures)


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(PathError, match="no such file"):
        hs.load(TEXTS, labels=LABELS, unlabelled=Path("nowhere.csv"))
