"""What `predict` takes for texts: strings, pairs, files, folders, archives, tables."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headstart.core.dataset import TextItem
from headstart.errors import BadOption, DataError, UnknownName
from headstart.modalities.text import Text, open_item
from headstart.predict.inputs import items_of


def read(inputs: object, **columns: str) -> list[Text]:
    return [open_item(item.read()) for item in items_of(inputs, "text", **columns)]


def problem(inputs: object) -> str:
    (item,) = items_of(inputs, "text")
    with pytest.raises(OSError, match=r".") as caught:
        item.read()
    return str(caught.value)


def test_strings_are_texts_unless_they_name_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("from a file")
    (tmp_path / "Why1").write_text("not this")
    expected = [Text("from a file"), Text("Why?"), Text("a * b [c]"), Text("x" * 5000)]
    assert read(["note.txt", "Why?", "a * b [c]", "x" * 5000]) == expected
    assert read("how far is it?") == [Text("how far is it?")]
    assert read(np.array(["one text", "and another"])) == [Text("one text"), Text("and another")]
    assert [item.id for item in items_of(["a b", "c d"], "text")] == ["text 1", "text 2"]
    assert problem("nowhere.txt") == "no such file or folder"
    assert problem(Path("nowhere")) == "no such file or folder"
    assert problem("no*.csv") == "no file matches"
    assert problem([3.5]) == "float is neither a text nor a path"


def test_each_string_of_a_list_has_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.txt").write_text("from a file")
    given = ["***", ".", "/", "notes", "notes/", "*", "good"]
    assert read(given) == [Text(one) for one in given]
    assert read("notes") == read("notes/*") == [Text("from a file")]
    assert read(["notes/*.txt", "good"]) == [Text("from a file"), Text("good")]


def test_a_name_that_is_no_utf8_can_be_written_down(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.txt"))
    file.write_text("read all the same")
    for given in (tmp_path, file):
        (item,) = items_of(given, "text")
        assert item.id.encode().endswith(b"bad\\udcff.txt")
        assert open_item(item.read()) == Text("read all the same")


def test_tuples_are_pairs() -> None:
    assert read([("a b", "c d"), ("e", "f")]) == [Text("a b", "c d"), Text("e", "f")]
    assert read(("a b", "c d")) == [Text("a b", "c d")]
    item = TextItem("x", "y", "z")
    assert items_of([item, item], "text") == (item, item)
    assert items_of(item, "text") == (item,)


def test_folders_globs_and_archives(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "sub/c.txt", ".hidden.txt", "x.png"):
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_text(name)
    assert read(tmp_path / "t") == [Text("a.md"), Text("b.txt"), Text("sub/c.txt")]
    assert read(str(tmp_path / "t" / "*.txt")) == [Text("b.txt")]
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("in/a.txt", "hello there")
        archive.writestr("in/a.png", "x")
    assert read(tmp_path / "z.zip") == [Text("hello there")]
    (tmp_path / "empty").mkdir()
    assert problem(tmp_path / "empty") == "there are no texts in this folder"


def test_tables_have_an_item_a_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table = pl.DataFrame(
        {"title": ["one", "two"], "text": ["a b c d", "e f g h"], "x": ["1", "2"], "z": ["3", "4"]}
    )
    table.write_csv(path)
    assert read(path) == read(str(path)) == [Text("a b c d"), Text("e f g h")]
    assert [item.id for item in items_of(path, "text")] == [f"{path} row 1", f"{path} row 2"]
    assert read(path, text_column="title", pair_column="text")[1] == Text("two", "e f g h")
    with pytest.raises(UnknownName, match="did you mean 'text'"):
        read(path, text_column="txt")
    with pytest.raises(UnknownName, match="no option"):
        read(path, column="text")
    with pytest.raises(BadOption, match="one or the other"):
        read(path, text_column="text", path_column="title")
    path.write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="no column of paths to images, and none of texts"):
        items_of(path, "text")


def test_folders_and_archives_with_a_table_are_read_as_to_learn_from(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "t.json").write_text(
        '{"data": [{"text": "hello there you", "label": "a"}, {"text": "good bye now", "label": "b"}]}'
    )
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(folder / "t.json", "t.json")
    for path in (folder, tmp_path / "z.zip", folder / "t.json"):
        assert read(path) == [Text("hello there you"), Text("good bye now")]
    (tmp_path / "fast.txt").write_text("__label__a hello there\n")
    assert read(tmp_path / "fast.txt") == [Text("hello there")]
