"""Tables of paths and labels: recognised or named columns, images beside them or in an archive."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headstart.data import load
from headstart.data.checks import doctor
from headstart.errors import DataError, UnknownName

from .files import Write, two_classes, zipped

ROWS = [("a/0.png", "a"), ("b/0.png", "b"), ("a/1.png", "a"), ("b/1.png", "b")]


def csv(header: str, rows: list[tuple[str, ...]]) -> str:
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "jsonl", "semicolons.csv"])
def test_every_form_of_table(write: Write, form: str) -> None:
    folder = write(two_classes())
    table = pl.DataFrame(ROWS, schema=["path", "label"], orient="row")
    path = folder / f"labels.{form}"
    if form.endswith("csv") or form == "tsv":
        table.write_csv(path, separator={"csv": ",", "tsv": "\t"}.get(form, ";"))
    else:
        table.write_parquet(path) if form == "parquet" else table.write_ndjson(path)
    for dataset in (load(path), load(folder)):
        assert [item.id for item in dataset.items] == [name for name, _ in ROWS]
        assert dataset.task.labels == ("a", "b")
        assert dataset.y.tolist() == [0, 1, 0, 1]
        assert all(item.read() for item in dataset.items)


@pytest.mark.parametrize(
    "header",
    ["file,class", "Image Path,Category", "filename,y", "img,whatever", "odd,label", "file_name,breed"],
)
def test_usual_names_are_recognised(write: Write, header: str) -> None:
    folder = write(two_classes() | {"t.csv": csv(header, ROWS)})
    assert load(folder / "t.csv").task.labels == ("a", "b")


def test_columns_may_be_named(write: Write) -> None:
    rows = [(str(i), "x", name, label, "p1") for i, (name, label) in enumerate(ROWS)]
    folder = write(two_classes() | {"t.csv": csv("n,label,where,kind,person", rows)})
    dataset = load(folder, path_column="where", label_column="kind", group_column="person")
    assert dataset.task.labels == ("a", "b")
    assert dataset.groups.tolist() == [0, 0, 0, 0]
    with pytest.raises(UnknownName, match="did you mean 'kind'"):
        load(folder, label_column="kinds")
    with pytest.raises(UnknownName, match="person"):
        load(folder, label_column="kind", group_column="persons")


def test_splits_and_groups(write: Write) -> None:
    rows = [
        (*row, part, group)
        for row, part, group in zip(ROWS, ["Train", "VAL", "", "test"], "xyx ", strict=True)
    ]
    dataset = load(write(two_classes() | {"t.csv": csv("path,label,split,patient", rows)}) / "t.csv")
    assert dataset.split.tolist() == ["train", "val", "", "test"]
    assert dataset.groups.tolist() == [0, 1, 0, 2]
    assert any("splits from 'split'" in note.message for note in dataset.notes)


@pytest.mark.parametrize("name", ["set", "Subset", "partition"])
def test_a_column_is_of_splits_by_what_it_holds(write: Write, name: str) -> None:
    path = write({"t.csv": f"text,label,{name}\nsome words one,a,en\nsome words two,b,de\n"}) / "t.csv"
    dataset = load(path)
    assert dataset.split is None
    assert dataset.notes[-1].message.endswith(f"; not used: {name!r}")
    with pytest.raises(DataError, match="which is no split"):
        load(path, split_column=name)
    write({"t.csv": f"text,label,{name}\nsome words one,a,train\nsome words two,b,Test\n"})
    assert load(path).split.tolist() == ["train", "test"]


def test_a_split_that_is_none(write: Write) -> None:
    folder = write(two_classes() | {"t.csv": csv("path,label,split", [(*row, "fold7") for row in ROWS])})
    with pytest.raises(DataError, match=r"'fold7' \(first in row 1\)"):
        load(folder)


def test_images_in_the_archive_beside_the_table(write: Write, tmp_path: Path) -> None:
    archive = zipped(write(two_classes()), tmp_path / "images.zip", "deep/")
    folder = write({"splits.csv": csv("path,label", ROWS)}, "pack")
    archive.rename(folder / "images.zip")
    for dataset in (load(folder), load(folder / "splits.csv")):
        assert dataset.task.labels == ("a", "b")
        assert all(item.read() for item in dataset.items)
    (folder / "splits.csv").unlink()
    assert load(folder).task.labels == ("a", "b")


def test_a_table_inside_an_archive(write: Write, tmp_path: Path) -> None:
    folder = write(two_classes() | {"metadata.jsonl": '{"file_name": "a/0.png", "label": "x"}\n'})
    dataset = load(zipped(folder, tmp_path / "p.zip", "top/"))
    assert dataset.task.labels == ("x",)
    assert dataset.items[0].read()


def test_file_names_that_occur_once_are_found(write: Write) -> None:
    files = {"images/one.png": 1, "images/two.png": 2, "train.csv": "id,breed\none,poodle\ntwo,pug\n"}
    dataset = load(write(files), path_column="id")
    assert [item.id for item in dataset.items] == ["images/one.png", "images/two.png"]


def test_class_folders_win_over_tables_without_paths(write: Write) -> None:
    dataset = load(write(two_classes() | {"statistics.csv": "epoch,loss\n1,0.5\n"}))
    assert dataset.task.labels == ("a", "b")


def test_several_labels_an_item(write: Write) -> None:
    files = two_classes() | {
        "t.csv": "path,tags\na/0.png,sea;sky\nb/0.png,sky | dog\na/1.png,\nb/1.png,dog\n"
    }
    dataset = load(write(files))
    assert dataset.task.kind == "multilabel"
    assert dataset.task.labels == ("dog", "sea", "sky")
    assert np.array_equal(dataset.y[[0, 1, 3]], [[0, 1, 1], [1, 0, 1], [1, 0, 0]])
    assert dataset.labelled.tolist() == [True, True, False, True]
    lists = {"t.jsonl": '{"path":"a/0.png","label":["x","y"]}\n{"path":"b/0.png","label":[]}\n'}
    dataset = load(write(two_classes() | lists, "lists"))
    assert dataset.y.tolist() == [[1, 1], [0, 0]]


def test_regression(write: Write) -> None:
    files = two_classes() | {"t.csv": "path,age\na/0.png,1.5\nb/0.png,\na/1.png,40\n"}
    dataset = load(write(files))
    assert dataset.task.kind == "regression"
    assert dataset.task.labels == ("age",)
    assert dataset.task.higher_is_better is False
    assert np.array_equal(dataset.y, [1.5, np.nan, 40], equal_nan=True)


def test_a_path_in_two_rows_gives_two_items(write: Write) -> None:
    dataset = load(write(two_classes() | {"t.csv": csv("path,label", [*ROWS, ROWS[0]])}))
    assert [item.id for item in dataset.items][::4] == ["a/0.png (row 1)", "a/0.png (row 5)"]


def test_missing_files_and_escapes_are_found_when_read(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    folder = write(two_classes() | {"t.csv": csv("path,label", [*ROWS, ("nowhere.png", "a")])})
    report = doctor.check(load(folder))
    assert [(f.code, f.where, f.row) for f in report.errors] == [("HS101", "nowhere.png", 4)]
    escaping = write(two_classes() | {"t.csv": csv("path,label", [*ROWS, ("../secret.png", "a")])}, "other")
    in_zip = load(zipped(escaping, tmp_path / "z.zip"))
    assert [f.code for f in doctor.check(in_zip).errors] == ["HS101"]


def test_absolute_paths_and_backslashes(write: Write) -> None:
    folder = write(two_classes())
    table = folder.parent / "t.csv"
    table.write_text(csv("path,label", [(str(folder / "a/0.png"), "a"), ("photos\\b\\0.png", "b")]))
    assert all(item.read() for item in load(table).items)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the table is empty"),
        ("path,label\n", "no rows"),
        ("x,y\n1,2\n", "no column of paths"),
        ("path,one,two\na/0.png,1,2\n", "which column holds the labels: one, two"),
        ("path,label\n,a\n", "nothing in 'path'"),
        ("path,label\nhttps://example.org/a.png,a\n", "address on the net"),
    ],
)
def test_mistakes_are_named(write: Write, content: str, message: str) -> None:
    folder = write(two_classes() | {"t.csv": content})
    with pytest.raises(DataError, match=message):
        load(folder / "t.csv")


def test_damaged_tables_and_too_many(write: Write) -> None:
    folder = write(two_classes() | {"t.parquet": b"PAR1 not really", "u.jsonl": "{broken"})
    for name in ("t.parquet", "u.jsonl"):
        with pytest.raises(DataError, match="cannot be read"):
            load(folder / name)
    folder = write(
        two_classes() | {"t.csv": csv("path,label", ROWS), "u.csv": csv("path,label", ROWS)}, "two"
    )
    with pytest.raises(DataError, match=r"several tables name images: t\.csv, u\.csv"):
        load(folder)


def test_a_damaged_archive_beside_a_table_does_no_harm_until_it_is_needed(write: Write) -> None:
    folder = write(two_classes() | {"t.csv": csv("path,label", ROWS), "other.zip": b"PK damaged"})
    for data in (folder, folder / "t.csv"):
        assert load(data).task.labels == ("a", "b")
    (folder / "t.csv").write_text(csv("path,label", [*ROWS, ("packed.png", "a")]))
    for data in (folder, folder / "t.csv"):
        with pytest.raises(DataError, match=r"other\.zip: not a \.zip archive"):
            load(data)


def test_cells_that_are_no_paths_at_all_are_found_when_read(write: Write) -> None:
    folder = write(two_classes() | {"t.csv": csv("path,label", [*ROWS, ("x" * 300 + ".png", "a")])})
    for data in (folder, folder / "t.csv"):
        assert [(f.code, f.row) for f in doctor.check(load(data)).errors] == [("HS101", 4)]


def test_a_column_of_ids_may_hold_more_than_a_path(write: Write) -> None:
    rows = "".join(f"it came on day {i},{'ab'[i % 2]},{'q' * 300}{i}\n" for i in range(4))
    dataset = load(write({"t.csv": "text,label,id\n" + rows}) / "t.csv")
    assert (dataset.modality, len(dataset)) == ("text", 4)


def test_where_no_item_is_there_one_error_says_where_it_was_looked_for(write: Write) -> None:
    folder = write({"t.csv": csv("path,label", [(f"photos/{i}.png", "ab"[i % 2]) for i in range(6)])})
    errors = doctor.check(load(folder / "t.csv")).errors
    assert [f.code for f in errors] == ["HS511"]
    assert (
        f"none of the 6 items can be read: the first, photos/0.png, was looked for at {folder}/photos/0.png"
        in str(errors[0])
    )


def test_pipes_and_devices_are_not_read(write: Write) -> None:
    folder = write(
        {"a.png": 1, "t.csv": csv("path,label", [("a.png", "a"), ("pipe.png", "b"), ("/dev/zero", "a")])}
    )
    os.mkfifo(folder / "pipe.png")
    found = {f.where: f.message for f in doctor.check(load(folder / "t.csv")).errors if f.code == "HS101"}
    assert found == dict.fromkeys(("pipe.png", "/dev/zero"), "cannot be read: it is no ordinary file")


def test_a_damaged_table_inside_an_archive(write: Write, tmp_path: Path) -> None:
    text = csv("path,label", ROWS)
    archive = zipped(write({"1.png": 1, "t.csv": text}), tmp_path / "p.zip")
    data = archive.read_bytes()
    assert data.count(text.encode()) == 1
    archive.write_bytes(data.replace(text.encode(), text.upper().encode()))  # its checksum is wrong now
    for options in ({}, {"label_column": "label"}, {"path_column": "path"}):
        with pytest.raises(DataError, match=r"t\.csv: the table cannot be read: .*CRC"):
            load(archive, **options)


def test_of_items_alone_no_other_column_is_looked_for(write: Write) -> None:
    content = "text,label,split,more\n" + "".join(f"one two three {i},x,odd,{i}\n" for i in range(4))
    path = write({"t.csv": content}) / "t.csv"
    with pytest.raises(DataError, match="which is no split"):
        load(path)
    dataset = load(path, items_only=True)
    assert (len(dataset), dataset.task, dataset.split, dataset.groups) == (4, None, None, None)
    assert dataset.notes[-1].message == "texts from 'text'; not used: 'label', 'split', 'more'"
    both = write({"train.csv": content, "test.csv": content}, "both")
    assert load(both, items_only=True).split.tolist() == ["train"] * 4 + ["test"] * 4
