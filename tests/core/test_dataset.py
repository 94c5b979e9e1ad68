from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headstart.core.dataset import ArrayItem, Dataset, FileItem, Item, ZipItem
from headstart.core.task import Task

TASK = Task("classification", ("ant", "bee"), "accuracy")


def small(y: np.ndarray | None = None, **columns: np.ndarray) -> Dataset:
    items = tuple(ArrayItem(f"row {i}", np.full((2, 2), i, np.uint8)) for i in range(4))
    return Dataset("small", "image", items, TASK, y, **columns)


def test_items_read_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "ä.bin").write_bytes(b"abc")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("in/ä.bin", b"abc")
    items = (FileItem("a", tmp_path / "ä.bin"), ZipItem("b", tmp_path / "z.zip", "in/ä.bin"))
    assert [item.read() for item in items] == [b"abc", b"abc"]
    assert all(isinstance(item, Item) for item in items)


def test_array_items_carry_plain_npy() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    back = np.load(io.BytesIO(ArrayItem("x", array).read()), allow_pickle=False)
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("member", ["nothing", "in/ä"])
def test_a_missing_member_is_an_os_error(tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a", b"abc")
    with pytest.raises(OSError, match=r"z\.zip"):
        ZipItem("b", tmp_path / "z.zip", member).read()


def test_columns_must_fit_the_items() -> None:
    with pytest.raises(ValueError, match="3 rows, but there are 4"):
        small(np.zeros(3, np.int64))


def test_a_dataset_cannot_be_changed() -> None:
    y = np.array([0, 1, 0, -1])
    data = small(y)
    assert data.y is not None
    with pytest.raises(ValueError, match="read-only"):
        data.y[0] = 1
    y[0] = 1  # the caller's own array stays theirs to change


def test_it_is_told_in_one_line() -> None:
    told = repr(small(np.array([0, 1, 0, -1]), split=np.array(["train", "train", "test", "train"])))
    assert told == (
        "Dataset(name='small', modality='image', items=4, task='classification', labels=2, "
        "split={'test': 1, 'train': 3})"
    )


def test_labelled_rows_of_every_kind() -> None:
    np.testing.assert_array_equal(small(np.array([0, 1, -1, 1])).labelled, [True, True, False, True])
    np.testing.assert_array_equal(small(np.array([0.5, np.nan, 1, 2])).labelled, [True, False, True, True])
    many = Dataset(
        "m", "image", small().items, Task("multilabel", ("a", "b"), "mAP"), np.eye(4, 2, dtype=np.float32)
    )
    assert many.labelled.all()
    assert not small().labelled.any()


def test_the_fingerprint_is_of_content() -> None:
    data = small(np.array([0, 1, 0, 1]))
    assert data.fingerprint == small(np.array([0, 1, 0, 1])).fingerprint
    assert data.fingerprint != small(np.array([0, 1, 1, 1])).fingerprint
    assert data.fingerprint != data.subset([0, 1, 2]).fingerprint
    assert data.fingerprint != small(np.array([0, 1, 0, 1]), groups=np.arange(4)).fingerprint


def test_subset_keeps_rows_together() -> None:
    data = small(np.array([0, 1, 0, 1]), split=np.array(["train", "test", "", "val"]))
    data.digests()
    part = data.subset([3, 0])
    assert [item.id for item in part.items] == ["row 3", "row 0"]
    assert part.y is not None
    assert part.split is not None
    assert part.y.tolist() == [1, 0]
    assert part.split.tolist() == ["val", "train"]
    assert part.digests() == (data.digests()[3], data.digests()[0])


@pytest.mark.parametrize(
    "y",
    [np.array([0, 1, 1, 0]), np.array([0.5, 1.0, 2.0, 3.0]), np.array([[1, 0], [0, 1], [1, 1], [0, 0.0]])],
)
def test_a_view_has_some_labels_and_is_the_same_data(y: np.ndarray) -> None:
    whole = (
        small(y)
        if y.ndim == 1
        else Dataset("several", "image", small().items, Task("multilabel", ("a", "b"), "mAP"), y)
    )
    seen = whole.view(labels=np.array([0, 2]))
    assert seen.labelled.tolist() == [True, False, True, False]
    assert seen.y is not None
    np.testing.assert_array_equal(seen.y[[0, 2]], y[[0, 2]])
    assert (seen.fingerprint, seen.digests()) == (whole.fingerprint, whole.digests())
    assert small().view(labels=np.array([0])).y is None
