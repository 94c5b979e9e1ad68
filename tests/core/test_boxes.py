"""Predictions that are boxes: picked, renumbered, saved and read again; and boxes as targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.core.boxes import Boxed, Boxes
from headstart.core.predictions import Predictions
from headstart.core.targets import Targets
from headstart.core.untrusted import Damaged
from headstart.data.boxes.targets import Annotations

ONE = Boxes((20, 30), [[0, 0, 5, 5], [1, 2, 9, 12]], [2, 0], [0.5, 0.25])
NONE = Boxes((20, 30), scores=np.zeros(0))
MADE = Boxed((2, 3), {(1, 0): ONE, (0, 2): NONE})


def test_they_are_predictions(tmp_path: Path) -> None:
    assert isinstance(MADE, Predictions)
    assert MADE.covered.tolist() == [[False, False, True], [True, False, False]]
    assert [len(one) for one in MADE.averaged()] == [2, 0]
    with (tmp_path / "boxes.npz").open("wb") as file:
        MADE.save(file)
    back = Boxed.load(tmp_path / "boxes.npz")
    assert back.digest() == MADE.digest()
    np.testing.assert_array_equal(back.cells[1, 0].corners, ONE.corners)
    turned = MADE.aligned(np.array([2, 0]), [2, 1], packed=True)
    assert turned.cells[0, 1].classes.tolist() == [0]
    assert turned.cells[0, 1].scores is not None
    assert turned.cells[0, 1].scores.tolist() == [0.5]


def test_boxes_that_are_none_are_damaged(tmp_path: Path) -> None:
    with (tmp_path / "boxes.npz").open("wb") as file:
        np.savez(file, shape=[1, 1], cells=[[0, 0, 9, 9, 2]], boxes=np.zeros((1, 6), np.float32))
    with pytest.raises(Damaged):
        Boxed.load(tmp_path / "boxes.npz")


def test_as_targets() -> None:
    targets = Annotations([ONE, None, NONE], 3)
    assert isinstance(targets, Targets)
    assert targets.known.tolist() == [True, False, True]
    assert targets[np.array([2, 0])].counts().tolist() == [[0, 0, 0], [1, 0, 1]]
    assert targets[0] is ONE
    with pytest.raises(LookupError, match="1 of the rows"):
        targets[:2]
    assert targets.hidden(np.array([2])).known.tolist() == [False, False, True]
    assert len(set(targets.digests())) == 2
    assert targets.to_list()[0][1] == [1, 2, 9, 12, 0]
