"""Predictions that are maps: packed, picked, saved and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.core.maps import LabelMap, Maps, overlay, palette
from headstart.core.predictions import Predictions
from headstart.core.untrusted import Damaged

RNG = np.random.default_rng(0)
TABLES = {(0, 1): RNG.integers(0, 3, (4, 5)), (0, 2): RNG.integers(0, 3, (2, 3)), (1, 1): RNG.integers(0, 3, (4, 5))}  # fmt: skip
MADE = Maps((2, 4), {cell: LabelMap.of(table.astype(np.uint8)) for cell, table in TABLES.items()})


def test_they_are_predictions(tmp_path: Path) -> None:
    assert isinstance(MADE, Predictions)
    assert MADE.covered.tolist() == [[False, True, True, False], [False, True, False, False]]
    np.testing.assert_array_equal(MADE.take(0, np.array([2, 1]))[1].unpacked(), TABLES[0, 1])
    assert len(MADE.averaged()) == 2
    with (tmp_path / "maps.npz").open("wb") as file:
        MADE.save(file)
    back = Maps.load(tmp_path / "maps.npz")
    assert back.digest() == MADE.digest()
    np.testing.assert_array_equal(back.cells[1, 1].unpacked(), TABLES[1, 1])
    hidden = MADE.hide(np.array([[False, True, False, False]]))
    assert hidden.covered.tolist() == [[False, False, True, False]]
    parts = MADE.of_parts([(MADE, np.arange(8).reshape(2, 4) == 5), (MADE, np.arange(8).reshape(2, 4) == 2)])
    assert sorted(parts.cells) == [(0, 2), (1, 1)]
    turned = MADE.aligned(np.array([2, 1]), [2, 0, 1], packed=True)
    np.testing.assert_array_equal(turned.cells[0, 0].unpacked(), np.array([1, 2, 0])[TABLES[0, 2]])


def test_a_map_that_is_none_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(Damaged):
        LabelMap((9, 9), MADE.cells[0, 1].data).unpacked()
    with (tmp_path / "maps.npz").open("wb") as file:
        np.savez(file, shape=[1, 1], cells=[[0, 3, 1, 1, 1]], packed=np.zeros(1, np.uint8))
    with pytest.raises(Damaged):
        Maps.load(tmp_path / "maps.npz")


def test_colours() -> None:
    colours = palette(21)[:21]
    assert len({tuple(one) for one in colours.tolist()}) == 21
    assert not palette(21)[21:].any()
    drawn = overlay(np.full((1, 2, 3), 100.0), np.array([[0, 255]], np.uint8), 21)
    assert drawn[0, 1].tolist() == [100, 100, 100]
    assert drawn[0, 0].tolist() != [100, 100, 100]
