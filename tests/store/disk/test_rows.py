"""Rows gather from many files in any order and load nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.errors import StoreError
from headstart.store.disk import rows as stored
from headstart.store.disk.rows import StoredRows
from headstart.testing.store import check_rows


def scattered(folder: Path, n: int, parts: int, seed: int, shape: tuple[int, ...] = (3,)) -> tuple:
    """Rows, and the same spread over files in random order, with rows nobody asks for in between."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(size=(n, *shape)).astype(np.float16)
    shard = rng.integers(0, parts, n).astype(np.int32)
    row = np.empty(n, dtype=np.int32)
    files = []
    for part in range(parts):
        mine = np.flatnonzero(shard == part)
        places = rng.permutation(len(mine) + 2)[: len(mine)]
        row[mine] = places
        content = np.zeros((len(mine) + 2, *shape), dtype=np.float16)
        content[places] = whole[mine]
        files.append(folder / f"{seed}-{part}.npy")
        np.save(files[-1], content)
    return whole, StoredRows(files, shard, row, shape=shape, dtype=np.dtype(np.float16))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 40), parts=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_any_gather_is_numpys(folder: Path, data: st.DataObject, n: int, parts: int, seed: int) -> None:
    stored.forget_maps()
    whole, rows = scattered(folder, n, parts, seed)
    index = np.array(data.draw(st.lists(st.integers(-n, n - 1), max_size=60)), dtype=np.int64)
    assert np.array_equal(rows[index], whole[index])
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    assert np.array_equal(rows[mask], whole[mask])
    assert np.array_equal(rows[: n // 2], whole[: n // 2])
    assert np.array_equal(rows[n - 1], whole[n - 1])


def test_conformance(folder: Path) -> None:
    whole, rows = scattered(folder, 57, 4, 99_999, (2, 3, 4))
    check_rows(rows, whole)
    assert np.array_equal(np.asarray(rows), whole)
    table = np.array([[0, 5], [56, 0]])
    assert np.array_equal(rows[table], whole[table])


def test_rows_that_are_not_there(folder: Path) -> None:
    _, rows = scattered(folder, 5, 2, 88_888)
    for wrong in (np.array([5]), np.array([-6]), np.array([0.0, 1.0])):
        with pytest.raises(IndexError):
            rows[wrong]


def test_files_that_are_not_there_or_cut_off(tmp_path: Path) -> None:
    _, rows = scattered(tmp_path, 5, 1, 1)
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(StoreError, match="cache verify --repair"):
        rows[np.array([0])]
    file.unlink()
    with pytest.raises(StoreError, match="was removed while it was in use"):
        rows[np.array([0])]


def test_few_files_stay_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MAPS", 3)
    stored.forget_maps()
    whole, rows = scattered(tmp_path, 200, 12, 5)
    assert np.array_equal(rows[:], whole)
    assert len(stored._maps) == 3
