"""What users of other tools reported: the smallest input of each kind, and what is right."""

from __future__ import annotations

import datetime
import io
import tarfile
import zipfile
from enum import Enum
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headstart.data import load
from headstart.data.checks.doctor import check
from headstart.errors import DataError, TextError
from headstart.modalities.text import open_item
from headstart.predict.inputs import items_of

from .files import Write, picture, two_classes, zipped

TEXTS = [f"the soup was {word} today" for word in ("good", "bad", "hot", "cold", "thick", "thin")]
ROWS = [f"{text},{'ab'[i % 2]}" for i, text in enumerate(TEXTS)]
TABLE = "\n".join(["text,label", *ROWS])


def said(dataset, code: str) -> str:
    return "; ".join(f"{note.where}: {note.message}" for note in dataset.notes if note.code == code)


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_backslashes_part_folders_in_archives(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"data{ending}"
    files = {name.replace("/", "\\"): picture(seed) for name, seed in two_classes(level="data").items()}
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data\\a\\", b"")
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    dataset = load(path)
    assert (dataset.task.labels, dataset.y.tolist()) == (("a", "b"), [0, 0, 0, 1, 1, 1])
    assert dataset.items[0].id == "data/a/0.png"
    assert dataset.items[0].read().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (ROWS, "'a' is a label, and 'the soup was good today' a text"),
        (ROWS[::-1], "'b' is a label"),
        (["a,Good soup!", *(",".join(row.split(",")[::-1]) for row in ROWS)], "'Good soup!' a text"),
        ([row.replace(",a", ",1").replace(",b", ",0") for row in ROWS], "'1' is a label"),
        ([f"{text},{i + 1.5}" for i, text in enumerate(TEXTS)], "'1.5' is a number"),
        ([f"{i},{row}" for i, row in enumerate(ROWS)], "'a' is a label"),
        ([f"pictures/{i}.png,class {i}" for i in range(6)], "'pictures/0.png' is the path of a file"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_a_row_in_place_of_the_names_is_refused(
    write: Write, rows: list[str], problem: str, ending: str
) -> None:
    content = "\n".join(rows).replace(",", "," if ending == ".csv" else "\t")
    with pytest.raises(DataError, match="its first row is no row of names") as error:
        load(write({f"t{ending}": content}) / f"t{ending}")
    assert problem in str(error.value)


@pytest.mark.parametrize(
    "names",
    [
        "text,label",
        "0,1",
        "How was the soup?,kind",
        "What do you think of it?,2023",
        "review text,soup",
        "text,a",
    ],
)
def test_names_that_are_odd_are_names(write: Write, names: str) -> None:
    assert len(load(write({"t.csv": "\n".join([names, *ROWS])}) / "t.csv")) == 6


def test_repeated_names_are_no_row(write: Write) -> None:
    content = "\n".join(["text,label", *ROWS[:3], "text,label", *ROWS[3:], "text, label"])
    dataset = load(write({"t.csv": content}) / "t.csv")
    assert ([item.text for item in dataset.items], dataset.task.labels) == (TEXTS, ("a", "b"))
    assert "2 rows (4, 8) repeat the names of the columns" in said(dataset, "HS510")


def test_columns_of_one_name(write: Write) -> None:
    differ = "\n".join(["text,label,label", *(f"{row},c" for row in ROWS)])
    with pytest.raises(DataError, match=r"two columns are called 'label', .* row 1: 'a' and 'c'\)"):
        load(write({"t.csv": differ}) / "t.csv")
    same = "\n".join(["text,label,label", *(f"{row},{row[-1]}" for row in ROWS)])
    assert load(write({"t.csv": same}) / "t.csv").task.labels == ("a", "b")
    other = "\n".join(["text,label,note,note", *(f"{row},x,y" for row in ROWS)])
    assert load(write({"t.csv": other}) / "t.csv").task.labels == ("a", "b")


def test_columns_of_one_name_in_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    rows = [(text, "ab"[i % 2], "c") for i, text in enumerate(TEXTS)]
    with pytest.raises(DataError, match="two columns are called 'label'"):
        load(pandas.DataFrame(rows, columns=["text", "label", "label"]))
    assert load(pandas.DataFrame(rows, columns=["text", "label", "x"])).task.labels == ("a", "b")
    with pytest.raises(DataError, match="two columns are called 'text'"):
        load(pandas.DataFrame(rows, columns=["text", "label", "text"]), label_column="label")


def test_folders_inside_of_class_folders_are_told(write: Write) -> None:
    names = ("animals/cat", "animals/dog", "plants/fern")
    dataset = load(write({f"{name}/{i}.png": i for name in names for i in range(2)}))
    assert dataset.task.labels == ("animals", "plants")
    told = said(dataset, "HS513")
    assert "3 folders inside of 2 class folders" in told
    assert told.endswith("animals/cat, animals/dog, plants/fern")
    level = load(write({f"train/{name}/{i}.png": i for name in names for i in range(2)}, "split"))
    assert said(level, "HS513").endswith("animals/cat, animals/dog, plants/fern")
    assert not said(load(write(two_classes(level="train"), "flat")), "HS513")


def test_links_to_what_is_read_and_to_nothing_are_told(write: Write) -> None:
    folder = write(two_classes())
    (folder / "c").symlink_to("a")
    (folder / "b" / "9.png").symlink_to("gone.png")
    dataset = load(folder)
    assert "c: by a link the same folder as a/, which is read: left out" in said(dataset, "HS514")
    (error,) = [found for found in check(dataset).errors if found.code == "HS101"]
    assert (error.where, error.message) == ("b/9.png", "a link to nothing ('gone.png')")


@pytest.mark.parametrize(
    ("name", "values", "how"),
    [
        ("is_test", ("False", "True"), "read with --split-column 'is_test'"),
        ("isTrain", ("1", "0"), "read with --split-column 'isTrain'"),
        ("Usage", ("Training", "Test"), "read with --split-column 'Usage'"),
        ("fold", ("0", "1"), ""),
    ],
)
def test_columns_that_look_like_splits_are_told(
    write: Write, name: str, values: tuple[str, str], how: str
) -> None:
    rows = [f"{row},{values[i > 3]}" for i, row in enumerate(ROWS)]
    path = write({"t.csv": "\n".join([f"text,label,{name}", *rows])}) / "t.csv"
    dataset = load(path)
    assert f"the column {name!r}" in said(dataset, "HS515")
    assert how in said(dataset, "HS515")
    if how:
        named = load(path, split_column=name)
        assert named.split.tolist() == ["train"] * 4 + ["test"] * 2
        assert not said(named, "HS515")


def test_names_of_files_that_hold_labels_are_told(write: Write) -> None:
    dataset = load(write({f"{'cat' if i % 2 else 'dog'}.{i}.png": i for i in range(6)}))
    assert "begin with 'cat' (3), 'dog' (3)" in said(dataset, "HS301")
    assert [found.code for found in check(dataset).warnings].count("HS301") == 1
    assert not said(load(write({f"img_{i}.png": i for i in range(6)}, "other")), "HS301")
    odd = load(write({f"data\\{'ab'[i % 2]}\\{i}.png": i for i in range(4)}, "odd"))
    assert "hold \\ in place of folders" in said(odd, "HS301")


def test_addresses_of_files_are_paths(write: Write) -> None:
    folder = write({"a b/1.png": 1, "a b/2.png": 2})
    good = folder.as_uri() + "/a%20b/1.png"
    rows = f"path,label\n{good},a\nfile://localhost{folder}/a b/2.png,b\na%20b/1.png,a\na b/2.png,b"
    dataset = load(write({"t.csv": rows}) / "t.csv")
    (error,) = check(dataset).errors[:1]
    assert error.where == "a%20b/1.png"
    assert "'a b/1.png' may be meant" in error.message
    assert [item.read()[:4] for item in (*dataset.items[:2], dataset.items[3])] == [b"\x89PNG"] * 3


def test_a_part_without_one_class_keeps_the_names(write: Write) -> None:
    files = {f"{level}/{name}/{i}.png": i for level in ("train", "test") for name in "abc" for i in range(2)}
    dataset = load(write({path: seed for path, seed in files.items() if not path.startswith("test/b")}))
    assert dataset.task.labels == ("a", "b", "c")
    assert dataset.y[dataset.split == "test"].tolist() == [0, 0, 2, 2]


def test_files_that_are_no_items_make_no_class(write: Write, tmp_path: Path) -> None:
    folder = write(
        two_classes()
        | {"a/.ipynb_checkpoints/0.png": 5, ".ipynb_checkpoints/1.png": 6, "__MACOSX/a/._0.png": "x"}
    )
    for data in (folder, zipped(folder, tmp_path / "photos.zip")):
        dataset = load(data)
        assert (dataset.task.labels, len(dataset)) == (("a", "b"), 6)


def test_names_with_zeros_and_backslashes_find_their_files(write: Write) -> None:
    rows = "id,label\n0001,a\n0002,b\n"
    folder = write({"t.csv": rows, "photos/0001.png": 1, "photos/0002.png": 2})
    dataset = load(folder)
    assert [item.read()[:4] for item in dataset.items] == [b"\x89PNG"] * 2
    turned = load(
        write({"t.csv": "path,label\nx\\1.png,a\nx\\2.png,b\n", "x/1.png": 1, "x/2.png": 2}, "turned")
    )
    assert [item.id for item in turned.items] == ["x/1.png", "x/2.png"]


def test_a_png_that_is_called_jpg_is_read(write: Write) -> None:
    files = {path.replace(".png", ".jpg"): seed for path, seed in two_classes().items()}
    assert not [found for found in check(load(write(files))).errors if found.row is not None]


@pytest.mark.parametrize("cell", ['"one\ntwo\r\nthree"', '"it lies in C:\\"', '"a \\ and ""b\\"""'])
def test_cells_in_quotes(write: Write, cell: str) -> None:
    dataset = load(write({"t.csv": "\n".join(["text,label", f"{cell},a", *ROWS])}) / "t.csv")
    assert (dataset.items[0].text, len(dataset)) == (cell[1:-1].replace('""', '"'), 7)


def test_types_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    given = [0, 2, 2, None, 0, 2]
    for series in (pandas.Series(given, dtype="Int64"), pandas.Series(given).astype("category")):
        dataset = load(pandas.DataFrame({"text": TEXTS, "label": series}))
        assert (dataset.task.labels, dataset.y.tolist()) == (("0", "2"), [0, 1, 1, -1, 0, 1])
    kinds = pandas.Categorical(list("ababab"), categories=list("abc"))
    assert load(pandas.DataFrame({"text": TEXTS, "label": kinds})).task.labels == ("a", "b")
    empty = load(pandas.DataFrame({"text": ["", *TEXTS], "label": list("abababa")}), items_only=True)
    assert len(empty) == 7


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    ("label", "held"),
    [
        (datetime.date(2020, 1, 1), "a date or a time"), (datetime.timedelta(1), "a duration"),
        (1j, "a complex number"), (Colour.RED, "a member of an Enum"), (object(), "a object"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_label_is_not_made_a_class(label: object, held: str) -> None:
    with pytest.raises(DataError, match=f"of row 2 is {held}"):
        load(["one", "two"], labels=["a", label])
    with pytest.raises(DataError, match="dates or durations"):
        load(["one", "two"], labels=np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]"))


def test_versions_are_told_apart_or_told_to_be_one() -> None:
    texts, labels = ["one", "two", "three"] * 2, ["1.10", "1.1", "1.2"] * 2
    as_numbers = load(texts, labels=labels)
    assert any("'1.10' and '1.1' are read as one" in note.message for note in as_numbers.notes)
    assert set(load(texts, labels=labels, task="classification").task.labels) == {"1.1", "1.2", "1.10"}


def test_dates_as_texts_are_classes_and_that_is_told() -> None:
    dates = load(["one", "two"] * 2, labels=["2020-01-01", "2020-01-02"] * 2)
    assert any("holds dates" in note.message for note in dates.notes)


def test_true_and_its_name_are_one_label() -> None:
    mixed = load(["one", "two", "three"], labels=[True, "True", "False"])
    assert mixed.task.labels == ("false", "true")
    assert mixed.y.tolist() == [1, 1, 0]
    assert [note.code for note in mixed.notes].count("HS322") >= 1


def test_labels_may_come_one_by_one() -> None:
    assert load(["one", "two"], labels=(name for name in "ab")).y.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "split", "code", "said"),
    [
        ("abcd", None, "HS304", "each of the 4 labels is another"),
        ("abab", ["test"] * 4, "HS307", "all 4 labelled items"),
    ],
)
def test_what_is_wrong_of_all_rows_is_said_once(
    labels: str, split: list[str] | None, code: str, said: str
) -> None:
    frame = pl.DataFrame(
        {"text": ["one", "two", "three", "four"], "label": list(labels), "split": split or [""] * 4}
    )
    errors = [found for found in check(load(frame)).findings if found.severity == "error"]
    assert [found.code for found in errors if found.code == code] == [code]
    assert any(said in str(found) for found in errors)
    assert len(errors) <= 2


def test_two_indexes_in_another_order_are_not_joined_by_place() -> None:
    pandas = pytest.importorskip("pandas")
    texts, labels = pandas.Series(["one", "two", "three"]), pandas.Series(["a", "b", "a"])
    assert load(texts, labels=labels).y.tolist() == [0, 1, 0]
    assert load(texts[::-1], labels=labels[::-1].to_numpy()).y.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="index of the items, but in another order"):
        load(texts, labels=labels[::-1])


def test_a_table_whose_texts_are_all_missing_fails_row_by_row(tmp_path: Path) -> None:
    for inputs in (pl.DataFrame({"text": [None, None]}), {"text": [None, ""]}):
        items = items_of(inputs, "text")
        assert len(items) == 2
        for item in items:
            with pytest.raises(TextError, match="whitespace only"):
                open_item(item.read())
    (tmp_path / "t.csv").write_text("text,label\n,a\n,b\n")
    with pytest.raises(DataError, match="no column of paths"):
        load(tmp_path / "t.csv")


def test_entities_part_no_labels() -> None:
    entities = load(["one", "two"] * 3, labels=["R&amp;D", "Sales"] * 3)
    assert entities.task.labels == ("R&amp;D", "Sales")


@pytest.mark.parametrize("odd", ["1,5", "12.05.2020", "1.2.3", "1.234,5"])
def test_one_odd_cell_makes_no_classes_of_numbers(odd: str) -> None:
    numbers = [f"{i % 9}.5" for i in range(40)]
    with pytest.raises(DataError, match="row 41"):
        load([f"text {i}" for i in range(41)], labels=[*numbers, odd])


def test_decimal_commas_beside_a_few_thousands() -> None:
    labels = ["12,5", "3,25", "7,75", "1.234,5"] * 5
    assert load([f"text {i}" for i in range(20)], labels=labels).y[:4].tolist() == [12.5, 3.25, 7.75, 1234.5]


def test_a_column_of_a_label_that_is_empty_and_rows_that_are_no_records() -> None:
    with pytest.raises(DataError, match="'b' of a label is empty"):
        load({"text": ["one", "two"], "a": [0, 1], "b": ["", ""]}, label_column=["a", "b"])
    with pytest.raises(DataError, match=r"row 2 of .* str, where the others are records"):
        load([{"text": "one", "label": 1}, "oops"])
    table = {"text": [f"text {i}" for i in range(4)], "label": ["b", "a"] * 2}
    assert load(table, labels=np.array(["b", "a"])).y.tolist() == [0, 1, 0, 1]


def test_named_classes_that_are_numbers_stay_classes() -> None:
    table = {"text": [f"text {i}" for i in range(4)], "label": ["0.5", "1.5"] * 2}
    named = load(table, labels=["0.5", "1.5"])
    assert (named.task.kind, named.task.labels) == ("classification", ("0.5", "1.5"))


def test_long_lists_of_0_and_1_are_labels_and_no_pictures() -> None:
    flags = [np.eye(40, dtype=np.uint8)[i] for i in range(6)]
    table = load({"text": [f"text {i}" for i in range(6)], "label": flags})
    assert (table.modality, table.task.outputs) == ("text", 40)
