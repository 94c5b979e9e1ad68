"""A shard is there as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.errors import StoreError
from headstart.store.disk import keys, shard
from headstart.store.disk.catalogue import Catalogue
from headstart.store.disk.shard import ShardWriter


def digests(numbers: list[int]) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]


def row_keys(numbers: list[int], view: int = 0) -> np.ndarray:
    return keys.row_keys(keys.item_keys(digests(numbers)), [view])


def write(section: Path, numbers: list[int], columns: tuple[str, ...] = ("tap:a/g1",), view: int = 0) -> Path:
    with ShardWriter(section, columns, len(numbers), data="some") as writer:
        for number in numbers:  # piece by piece
            row = np.full((1, 4), number, dtype=np.float16)
            writer.append(row_keys([number], view), dict.fromkeys(columns, row))
        return writer.publish()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, [3, 1, 2], ("tap:a/g1", "state:b.c/d"))
    found = shard.read(path)
    assert found is not None
    assert found.data == "some"
    assert np.array_equal(found.keys, row_keys([3, 1, 2]))
    for name in ("tap:a/g1", "state:b.c/d"):
        column = found.columns[name]
        assert column.shape == (3, 4)
        assert column.sha256 == hashlib.sha256((path / column.file).read_bytes()).hexdigest()
        assert np.array_equal(np.load(path / column.file)[:, 0], [3, 1, 2])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_keys_that_end_in_zeros_are_keys() -> None:
    items = keys.item_keys(["00" * 32, "ab" + "00" * 31, "ab" + "00" * 30 + "01"])
    both = keys.row_keys(items, [0, 256])
    assert len(np.unique(both)) == 6
    assert [bytes(k).ljust(34, b"\0")[-2:] for k in both] == [b"\0\0"] * 3 + [b"\1\0"] * 3


def test_a_block_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    section = tmp_path / "section"
    with contextlib.suppress(KeyboardInterrupt), ShardWriter(section, ["tap:a/g1"], 2) as writer:
        writer.append(row_keys([1]), {"tap:a/g1": np.zeros((1, 4), np.float16)})
        assert len(list(section.iterdir())) == 1
        raise KeyboardInterrupt
    assert list(section.iterdir()) == []
    with ShardWriter(section, ["tap:a/g1"], 2) as writer:
        writer.append(row_keys([1]), {"tap:a/g1": np.zeros((1, 4), np.float16)})
        with pytest.raises(ValueError, match="1 of 2 rows"):
            writer.publish()
    assert list(section.iterdir()) == []


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "section", ["tap:a/g1"], 2) as writer:
        writer.append(row_keys([1]), {"tap:a/g1": np.zeros((1, 4), np.float16)})
        with pytest.raises(ValueError, match="does not go with"):
            writer.append(row_keys([2]), {"tap:a/g1": np.zeros((1, 5), np.float16)})
        with pytest.raises(ValueError, match="2 rows for 1 keys"):
            writer.append(row_keys([2]), {"tap:a/g1": np.zeros((2, 4), np.float16)})


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    section = tmp_path / "section"
    written = []

    def full(self: shard._Writing, data: object) -> None:
        written.append(data)
        if len(written) > 3:
            raise OSError(code, "no")
        self._file.write(data)
        self._sha.update(data)

    monkeypatch.setattr(shard._Writing, "write", full)
    with pytest.raises(StoreError, match=r"disk is full|cannot be written") as caught:
        write(section, list(range(9)))
    assert "\n" not in str(caught.value)
    assert ("the disk is full;" in str(caught.value)) == (code != errno.EIO)
    assert list(section.iterdir()) == []


def test_a_disk_that_fills_up_while_flushing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(shard.os, "fsync", full)
    with pytest.raises(StoreError, match="disk is full"):
        write(tmp_path / "section", [1, 2])
    assert list((tmp_path / "section").iterdir()) == []


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write(tmp_path / "file", [1])


def test_the_same_rows_twice_are_kept_once(tmp_path: Path) -> None:
    first = write(tmp_path, [1, 2])
    assert write(tmp_path, [1, 2]) == first
    assert len(list(tmp_path.iterdir())) == 1
    (first / shard.read(first).columns["tap:a/g1"].file).unlink()  # type: ignore[union-attr]
    second = write(tmp_path, [1, 2])
    assert second != first
    assert shard.read(second).columns  # type: ignore[union-attr]


@pytest.mark.parametrize("damage", ["record", "index", "empty", "cut"])
def test_damaged_shards_count_as_missing(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path, [1, 2])
    if damage == "record":
        (path / shard.RECORD).write_text("{")
    elif damage == "empty":
        (path / shard.RECORD).write_text("{}")
    elif damage == "index":
        (path / shard.INDEX).write_bytes(b"xx")
    else:
        file = path / shard.file_of("tap:a/g1")
        file.write_bytes(file.read_bytes()[:-1])
    catalogue = Catalogue(tmp_path)
    catalogue.refresh()
    assert catalogue.missing(["tap:a/g1"], row_keys([1, 2])).all()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sets(st.integers(0, 12), min_size=1),
            st.sets(st.sampled_from("abc"), min_size=1),
            st.integers(0, 2),
        ),
        max_size=6,
    )
)
def test_the_catalogue_knows_what_is_where(tmp_path_factory: pytest.TempPathFactory, parts: list) -> None:
    section = tmp_path_factory.mktemp("section")
    catalogue = Catalogue(section)
    there = set()
    for numbers, names, view in parts:
        columns = tuple(f"tap:{name}/g1" for name in sorted(names))
        write(section, sorted(numbers), columns, view)
        catalogue.refresh()
        there |= {(number, column, view) for number in numbers for column in columns}
    every = list(range(14))
    for view in range(3):
        wanted = ["tap:a/g1", "tap:b/g1", "tap:c/g1", "tap:d/g1"]
        gone = catalogue.missing(wanted, row_keys(every, view))
        for place, column in enumerate(wanted):
            number, row = catalogue.find(column, row_keys(every, view))
            for item in every:
                assert gone[item, place] == ((item, column, view) not in there)
                assert (number[item] >= 0) == ((item, column, view) in there)
                if number[item] >= 0:
                    holder = catalogue.shards[number[item]]
                    value = np.load(holder.path / holder.columns[column].file)[row[item]]
                    assert value[0] == item


def test_many_small_shards_are_found(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    for number in range(70):
        write(tmp_path, [number])
        catalogue.refresh()
    number, row = catalogue.find("tap:a/g1", row_keys(list(range(71))))
    assert sorted(number[:70]) == list(range(70))
    assert (row[:70] == 0).all()
    assert number[70] == -1
