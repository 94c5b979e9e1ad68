"""Targets and predictions that are arrays: where nothing is known, and what is kept of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.core import fingerprint, targets
from headstart.core.predictions import Dense, Predictions
from headstart.core.strategy import Trial
from headstart.core.targets import Targets, Unlabelled
from headstart.core.untrusted import Damaged

CASES = {
    "classes": targets.classes([2, None, 0, 1]),
    "sets": targets.sets([[0, 2], None, [], [1]], 3),
    "values": targets.values([0.5, None, 0.0, -1.0]),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_row_without_a_label_cannot_be_read(kind: str) -> None:
    y = CASES[kind]
    found = targets.of(y, 4)
    assert isinstance(found, Targets)
    assert found.known.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(found[np.array([3, 0])], y[[3, 0]])
    np.testing.assert_array_equal(found[found.known], y[[0, 2, 3]])
    np.testing.assert_array_equal(found[2], y[2])
    for rows in (1, np.array([0, 1]), slice(None), np.ones(4, bool)):
        with pytest.raises(LookupError, match="1 of the rows asked for have no label"):
            found[rows]
    view = found.hidden(np.array([3]))
    assert view.known.tolist() == [False, False, False, True]
    assert found.subset(np.array([1, 0])).known.tolist() == [False, True]
    np.testing.assert_array_equal(found.content(), y)
    back = targets.of_list(found.to_list())
    assert back.array.dtype == y.dtype
    np.testing.assert_array_equal(back.array, y)
    with pytest.raises(ValueError, match="read-only"):
        found.array[0] = 0  # type: ignore[attr-defined]


def test_the_array_of_each_kind() -> None:
    assert (CASES["classes"].dtype, CASES["classes"].tolist()) == (np.int64, [2, -1, 0, 1])
    assert (CASES["sets"].dtype, CASES["values"].dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(CASES["sets"], [[1, 0, 1], [np.nan] * 3, [0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(CASES["values"], [0.5, np.nan, 0.0, -1.0])


def test_data_without_labels() -> None:
    found = targets.of(None, 3)
    assert isinstance(found, Unlabelled)
    assert not found.known.any()
    assert found.subset(np.array([2])).content() is None
    with pytest.raises(LookupError):
        found[0]
    with pytest.raises(ValueError, match="no numbers"):
        targets.of_list(["a", "b"])


def cells(repeats: int = 3, rows: int = 8, outputs: int = 2, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    array = rng.random((repeats, rows, outputs)).astype(np.float32)
    array[rng.random((repeats, rows)) < 0.4] = np.nan
    return array


def test_predictions_of_an_array() -> None:
    array = cells()
    found = Trial("a", "probe", None, array).predictions
    assert isinstance(found, Predictions)
    known = np.isfinite(array).all(axis=2)
    np.testing.assert_array_equal(found.covered, known)
    for repeat in range(3):
        taken = found.take(repeat, known[repeat])
        assert taken.dtype == np.float64
        np.testing.assert_array_equal(taken, array[repeat][known[repeat]])
    np.testing.assert_array_equal(
        found.averaged(), np.nanmean(array[:, known.any(axis=0)].astype(float), axis=0)
    )
    assert found.digest() == fingerprint.of_array(array)
    hidden = found.hide(known[:2])
    assert hidden.covered.shape == (2, 8)
    assert not hidden.covered.any()


def test_parts_of_several() -> None:
    ours, theirs = Dense(cells(seed=1)), Dense(cells(repeats=2, seed=2))
    left, right = np.zeros((2, 3, 8), bool)
    left[0, :4], right[1, 4:] = True, True
    found = ours.of_parts([(ours, left), (theirs, right)]).array
    np.testing.assert_array_equal(found[0, :4], ours.array[0, :4])
    np.testing.assert_array_equal(found[1, 4:], theirs.array[1, 4:])
    assert np.isnan(found[0, 4:]).all()
    assert np.isnan(found[2]).all()
    some = ours.aligned(np.array([6, 1]), [1, 0], packed=False)
    np.testing.assert_array_equal(some.array, ours.array[:, [6, 1]][..., ::-1])


def test_they_are_kept_as_they_were(tmp_path: Path) -> None:
    array, buffer = cells(), io.BytesIO()
    Dense(array).save(buffer)
    (tmp_path / "p.npz").write_bytes(buffer.getvalue())
    with np.load(tmp_path / "p.npz", allow_pickle=False) as stored:
        assert stored.files == ["predictions"]
    np.testing.assert_array_equal(Dense.load(tmp_path / "p.npz").array, array)
    wrong: dict[str, Any] = {"shape": array[0], "type": np.zeros((1, 2, 3), np.int64)}
    for other in wrong.values():
        np.savez(tmp_path / "q.npz", predictions=other)
        with pytest.raises(Damaged, match="not predictions"):
            Dense.load(tmp_path / "q.npz")
