"""Class folders, with and without splits, on disk and in archives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from headstart.data import load
from headstart.errors import BadOption, DataError, PathError

from .files import Write, two_classes, zipped


def codes(dataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for note in dataset.notes:
        found.setdefault(note.code, []).append(note.where)
    return found


def test_class_folders(write: Write) -> None:
    dataset = load(write(two_classes()))
    assert dataset.task is not None
    assert dataset.task.labels == ("a", "b")
    assert dataset.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.split is None
    assert [item.id for item in dataset.items[:2]] == ["a/0.png", "a/1.png"]
    assert dataset.name == "photos"
    assert dataset.items[0].read().startswith(b"\x89PNG")


def test_an_archive_holds_the_same_data(write: Write, tmp_path: Path) -> None:
    folder = write(two_classes() | {"train/ü/1.png": 5})
    archive = zipped(folder, tmp_path / "photos.zip")
    one, other = load(folder), load(str(archive))
    assert [item.id for item in one.items] == [item.id for item in other.items]
    assert one.fingerprint == other.fingerprint


def test_splits_above_the_classes(write: Write) -> None:
    folder = write(two_classes(2, "Train") | two_classes(1, "valid") | two_classes(1, "test"))
    dataset = load(folder)
    assert dict(zip(*np.unique(dataset.split, return_counts=True), strict=True)) == {
        "train": 4,
        "val": 2,
        "test": 2,
    }
    assert dataset.task.labels == ("a", "b")


def test_a_test_part_without_classes_has_no_labels(write: Write) -> None:
    dataset = load(write(two_classes(2, "train") | {"test/1.png": 1, "test/2.png": 2}))
    assert dataset.labelled.tolist() == [False, False, True, True, True, True]
    assert (dataset.split[:2] == "test").all()
    assert codes(dataset)["HS505"] == ["test/1.png", "test/2.png"]


def test_unlabelled_images_beside_the_splits(write: Write) -> None:
    dataset = load(
        write(two_classes(1, "train") | two_classes(1, "test") | {"unlabelled/x.png": 9, "docs/y.png": 8})
    )
    assert len(dataset) == 5
    assert dataset.labelled.sum() == 4
    assert codes(dataset)["HS504"] == ["docs/y.png"]


def test_a_class_may_be_called_train(write: Write) -> None:
    dataset = load(write({"bus/1.png": 1, "train/1.png": 2, "tram/1.png": 3}))
    assert dataset.task.labels == ("bus", "train", "tram")
    assert dataset.split is None


def test_folders_around_the_classes_do_not_matter(write: Write) -> None:
    inner = {f"data/images/{path}": seed for path, seed in two_classes().items()}
    assert load(write(inner)).task.labels == ("a", "b")
    one = load(write({"data/only/1.png": 1, "data/only/2.png": 2}, "single"))
    assert one.task.labels == ("only",)


def test_folders_inside_classes_belong_to_them(write: Write) -> None:
    dataset = load(write({"a/x/1.png": 1, "a/y/2.png": 2, "b/3.png": 3}))
    assert dataset.y.tolist() == [0, 0, 1]


def test_plain_images_have_no_labels(write: Write) -> None:
    dataset = load(write({"1.png": 1, "2.png": 2}))
    assert dataset.task is None
    assert dataset.y is None
    assert len(dataset) == 2


def test_classes_are_in_natural_order(write: Write) -> None:
    dataset = load(write({f"{label}/1.png": i for i, label in enumerate(["10", "9", "1", "b2", "b11"])}))
    assert dataset.task.labels == ("1", "9", "10", "b2", "b11")


def test_class_order_may_be_given(write: Write) -> None:
    assert load(write(two_classes()), labels=["b", "a", "c"]).task.labels == ("b", "a", "c")


def test_junk_is_ignored_and_reported(write: Write) -> None:
    files = two_classes() | {
        ".DS_Store": "x", "a/Thumbs.db": "x", "__MACOSX/a/._0.png": "x", "a/.hidden.png": 1, ".git/config": "x",
        "readme.md": "x", "a/notes.txt": "x",
    }  # fmt: skip
    folder = write(files)
    (folder / "empty").mkdir()
    for dataset in (load(folder), load(zipped(folder, folder.parent / "x.zip"))):
        assert len(dataset) == 6
        found = codes(dataset)
        assert {".DS_Store", "a/Thumbs.db", "a/.hidden.png"} <= set(found["HS501"])
        assert found["HS502"] == ["empty"]
        assert sorted(found["HS504"]) == ["a/notes.txt", "readme.md"]


def test_files_without_an_ending_are_looked_at(write: Write) -> None:
    assert len(load(write({"a/img1": 1, "b/img2": 2}))) == 2


def test_names_beyond_ascii(write: Write) -> None:
    dataset = load(write({"Käfer/größe 1.png": 1, "蜜蜂/写真.png": 2}))
    assert dataset.task.labels == ("Käfer", "蜜蜂")
    assert len(dataset.fingerprint) == 64


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text(write: Write) -> None:
    folder = write({"a/1.png": 1})
    target = os.path.join(os.fsencode(folder), b"b\xff")  # noqa: PTH118
    os.mkdir(target)  # noqa: PTH102
    with open(os.path.join(target, b"caf\xe9.png"), "wb") as file:  # noqa: PTH118, PTH123
        file.write((folder / "a/1.png").read_bytes())
    dataset = load(folder)
    assert len(dataset.fingerprint) == 64
    assert dataset.task.labels == ("a", "b\\udcff")
    assert dataset.items[1].read()


def test_links_are_followed_but_not_in_circles(write: Write) -> None:
    folder = write(two_classes())
    (folder / "c").mkdir()
    (folder / "c" / "linked.png").symlink_to(folder / "a" / "0.png")
    (folder / "c" / "loop").symlink_to(folder, target_is_directory=True)
    assert len(load(folder)) == 7


def test_mistakes_are_named(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no images here \(it is empty\)"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match="1 other file"):
        load(write({"a.bin": "x"}, "texts"))
    write(two_classes(), "flowers")
    with pytest.raises(PathError, match="did you mean 'flowers'"):
        load(tmp_path / "flower")
    with pytest.raises(PathError, match="no data set"):
        load(write({"1.png": 1}, "one") / "1.png")
    with pytest.raises(BadOption, match="folders name classes"):
        load(tmp_path / "flowers", task="regression")
    with pytest.raises(DataError, match="no table here in which to find the column 'x'"):
        load(tmp_path / "flowers", label_column="x")
    with pytest.raises(BadOption, match="one of answer, classification"):
        load(tmp_path / "flowers", task="guessing")
    with pytest.raises(BadOption, match="data is"):
        load(3)


def test_two_thousand_classes(write: Write) -> None:
    folder = write({f"{i}/x.png": i % 7 for i in range(2000)})
    dataset = load(folder)
    assert dataset.task.outputs == 2000
    assert dataset.task.labels[:3] == ("0", "1", "2")


def test_a_data_set_is_taken_as_it_is(write: Write) -> None:
    dataset = load(write(two_classes()))
    assert load(dataset) is dataset
    with pytest.raises(BadOption, match="without options"):
        load(dataset, name="other")


@pytest.mark.parametrize("level", ["", "deep/er/"])
def test_a_table_inside_a_class_folder_is_no_list_of_the_data(write: Write, level: str) -> None:
    stray = {f"{level}a/meta.csv": "filename,author\n0.png,eve\n1.png,bob\n"}
    files = {f"{level}{path}": seed for path, seed in two_classes().items()}
    dataset = load(write(files | stray))
    assert dataset.task.labels == ("a", "b")
    assert len(dataset) == 6
    assert codes(dataset)["HS504"] == [f"{level}a/meta.csv"]
    named = load(write(files | stray), label_column="author")
    assert named.task.labels == ("bob", "eve")


def test_a_table_inside_a_class_folder_below_a_split(write: Write) -> None:
    files = two_classes(2, "train") | two_classes(1, "test")
    stray = {"train/a/meta.csv": "filename,author\n0.png,eve\n1.png,bob\n"}
    assert load(write(files | stray)).task.labels == ("a", "b")


def test_a_table_beside_the_images_of_the_only_folder_names_them(write: Write) -> None:
    files = {"images/1.png": 1, "images/2.png": 2, "images/t.csv": "file,label\n1.png,x\n2.png,y\n"}
    assert load(write(files)).task.labels == ("x", "y")


@pytest.mark.parametrize("content", ["", "note,by\n", 'a,b\n1,2\n"x,3\n4,5,6\n7'])
def test_a_table_that_cannot_be_read_beside_class_folders(write: Write, content: str) -> None:
    folder = write(two_classes() | {"notes.csv": content})
    assert load(folder).task.labels == ("a", "b")
    with pytest.raises(DataError, match=r"notes\.csv: the table"):
        load(folder, label_column="by")
    with pytest.raises(DataError, match=r"notes\.csv: the table"):
        load(write({"1.png": 1, "notes.csv": content}, "loose"))


def test_columns_that_were_named_are_never_ignored(write: Write) -> None:
    folder = write(two_classes() | {"statistics.csv": "epoch,loss\n1,0.5\n"})
    with pytest.raises(
        DataError, match=r"no table here that names images or holds texts in which to find .* 'loss'"
    ):
        load(folder, label_column="loss")


@pytest.mark.parametrize("name", ["null", "NA", "nan"])
def test_a_class_folder_may_be_called_nothing(write: Write, name: str) -> None:
    dataset = load(write({f"{name}/1.png": 1, "zebra/1.png": 2}))
    assert sorted(dataset.task.labels) == sorted([name, "zebra"])
    assert dataset.labelled.all()


def test_more_mistakes_are_named(write: Write) -> None:
    with pytest.raises(PathError, match="there is no user 'nobody-of-that-name'"):
        load("~nobody-of-that-name/photos")
    for labels in (3, "ab"):
        with pytest.raises(DataError, match="is no list of class names"):
            load(write(two_classes()), labels=labels)
