"""Texts from tables, folders, archives, lists and hub data; and what cannot be read as such."""

from __future__ import annotations

import json
import math
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.dataset import Dataset, FileItem, TextItem
from headstart.data import load
from headstart.data.checks import doctor
from headstart.errors import BadOption, DataError, UnknownName
from headstart.modalities import text as modality

from .files import Write, zipped

S = ("the cat sat on the mat", "a dog ran in the park", "it rains a lot in spring", "we like good bread here")


def texts(dataset: Dataset) -> list[str]:
    return [item.text for item in dataset.items]


def csv(header: str, *columns: tuple[str, ...]) -> str:
    return "\n".join([header, *(",".join(row) for row in zip(*columns, strict=True))]) + "\n"


AB = ("a", "b", "a", "b")
words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\x1e\r"), max_size=30)


@given(st.lists(st.tuples(words.filter(str.strip), words.filter(str.strip)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_what_was_written_is_read_back(rows: list[tuple[str, str]]) -> None:
    table = pl.DataFrame({"sentence1": [a for a, _ in rows], "sentence2": [b for _, b in rows]})
    table = table.with_columns(pl.Series("label", ["x", "y"] * len(rows))[: len(rows)])
    with tempfile.TemporaryDirectory() as folder:
        for ending, write in (("csv", "write_csv"), ("parquet", "write_parquet"), ("jsonl", "write_ndjson")):
            path = Path(folder) / f"t.{ending}"
            getattr(table, write)(path)
            dataset = load(path, text_column="sentence1", pair_column="sentence2", label_column="label")
            assert [(item.text, item.second) for item in dataset.items] == rows


@given(words.filter(modality.seen), st.none() | words)
def test_an_items_bytes_say_all_of_it(first: str, second: str | None) -> None:
    assert modality.open_item(TextItem("x", first, second).read()) == (first.removeprefix("\ufeff"), second)


@pytest.mark.parametrize("content", ["a\x1eb", "a\x1eb\x1ec", "\x1ea", "\x1ea\x1eb\x1ec"])
def test_a_record_separator_in_a_file_makes_no_pair(content: str) -> None:
    assert modality.open_item(content.encode()) == (content.replace("\x1e", " "), None)


@pytest.mark.parametrize(
    "header",
    [
        "text,label",
        "Review Text,Sentiment",
        "question,whatever",
        "Texte,Étiquette",
        "本文,y",
        "tweet_text,class",
    ],
)
def test_columns_are_recognised(write: Write, header: str) -> None:
    dataset = load(write({"t.csv": csv(header, S, AB)}) / "t.csv")
    assert (dataset.modality, dataset.pairs, dataset.task.labels) == ("text", False, ("a", "b"))
    assert texts(dataset) == list(S)
    assert [item.id for item in dataset.items] == ["row 1", "row 2", "row 3", "row 4"]


def test_scripts_without_blanks_are_prose_too(write: Write) -> None:
    rows = (
        "今日は天気がとても良いですね",
        "明日は雨が降るかもしれません",
        "猫は畳の上で寝ています",
        "犬は公園を走ります",
    )
    assert texts(load(write({"t.csv": csv("列一,列二", rows, AB)}) / "t.csv")) == list(rows)


def test_of_title_and_text_the_text_is_read_and_said(write: Write) -> None:
    dataset = load(write({"t.csv": csv("title,text,label", S[::-1], S, AB)}) / "t.csv")
    assert texts(dataset) == list(S)
    assert dataset.notes[-1].message == "texts from 'text', labels from 'label'; not used: 'title'"
    assert texts(load(write({"t.csv": csv("subject,body,class", S[::-1], S, AB)}) / "t.csv")) == list(S)


def test_columns_may_be_named(write: Write) -> None:
    table = write({"t.csv": csv("one,two,kind", S, S[::-1], AB)}) / "t.csv"
    with pytest.raises(DataError, match=r"which column holds the texts: 'one', 'two'.*--text-column"):
        load(table)
    assert texts(load(table, text_column="two")) == list(S[::-1])
    pairs = load(table, text_column="two", pair_column="one")
    assert pairs.pairs
    assert [item.second for item in pairs.items] == list(S)
    assert texts(load(table, pair_column="one")) == list(S[::-1])
    with pytest.raises(UnknownName, match=r"'tow'.*did you mean 'two'"):
        load(table, text_column="tow")
    with pytest.raises(BadOption, match="another column"):
        load(table, text_column="one", pair_column="one")
    with pytest.raises(BadOption, match="one or the other"):
        load(table, text_column="one", path_column="two")
    with pytest.raises(UnknownName, match="did you mean 'text_column'"):
        load(table, text_colum="one")


@pytest.mark.parametrize(
    "names",
    [("sentence1", "sentence2"), ("premise", "hypothesis"), ("Question1", "Question2"), ("query", "passage")],
)
def test_pairs_are_recognised(write: Write, names: tuple[str, str]) -> None:
    dataset = load(write({"t.csv": csv(f"{names[0]},{names[1]},label", S, S[::-1], AB)}) / "t.csv")
    assert dataset.pairs
    assert [(item.text, item.second) for item in dataset.items] == list(zip(S, S[::-1], strict=True))
    assert f"pairs of texts from {names[0]!r} and {names[1]!r}" in dataset.notes[-1].message


def test_an_answer_of_one_word_is_a_label(write: Write) -> None:
    dataset = load(write({"t.csv": csv("question,answer", S, AB)}) / "t.csv")
    assert not dataset.pairs
    assert dataset.task.labels == ("a", "b")


def test_ids_where_each_is_there_once(write: Write) -> None:
    folder = write({"t.csv": csv("id,text,label", ("x", "y", "z", "w"), S, AB)})
    assert [item.id for item in load(folder).items] == ["x", "y", "z", "w"]
    folder = write({"t.csv": csv("id,text,label", ("x", "y", "x", "w"), S, AB)})
    assert [item.id for item in load(folder).items][:2] == ["row 1", "row 2"]


def test_labels_of_every_kind(write: Write) -> None:
    numbers = load(write({"t.csv": csv("sentence,score", S, ("0.5", "1", "", "2.5"))}) / "t.csv")
    assert numbers.task.kind == "regression"
    assert numbers.labelled.tolist() == [True, True, False, True]
    rows = [{"text": s, "label": label} for s, label in zip(S, (["x"], [], ["x", "y"], ["y"]), strict=True)]
    several = load(write({"t.jsonl": "\n".join(map(json.dumps, rows))}) / "t.jsonl")
    assert several.y.tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]
    table = pl.DataFrame({"text": S, "label": [1.0, math.nan, 0.0, 1.0]})
    folder = write({})
    table.write_parquet(folder / "t.parquet")
    assert load(folder / "t.parquet").y.tolist() == [1, -1, 0, 1]


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        ((["a", "b"], "a", None, "b, c"), ("a", "b", "b, c")),
        (("x", [], ["[deleted]", "x"], None), ("[deleted]", "x")),
        ((1, [1, 2], 2, None), ("1", "2")),
    ],
)
def test_a_label_beside_lists_is_a_list_of_one(write: Write, found: tuple, labels: tuple[str, ...]) -> None:
    rows = [{"text": f"[{s}]", "label": label} for s, label in zip(S, found, strict=True)]
    dataset = load(write({"t.jsonl": "\n".join(map(json.dumps, rows)) + "\n"}) / "t.jsonl")
    assert (dataset.task.kind, dataset.task.labels) == ("multilabel", labels)
    assert texts(dataset) == [f"[{s}]" for s in S]
    for value, row in zip(found, dataset.y, strict=True):
        expected = value if isinstance(value, list) else [value]
        assert np.isnan(row).all() if value is None else row.sum() == len(expected)


def test_labels_of_parquet_are_taken_for_what_they_are(write: Write) -> None:
    path = write({}) / "t.parquet"
    number = pl.Series(["0.50", "1.50", "0.50", "2.25"]).cast(pl.Decimal(10, 2))
    pl.DataFrame({"text": S, "score": number}).write_parquet(path)
    assert load(path).y.tolist() == [0.5, 1.5, 0.5, 2.25]
    pl.DataFrame({"text": S, "label": [b"a", b"b"] * 2}).write_parquet(path)
    with pytest.raises(DataError, match="the label 'label' of row 1 is bytes"):
        load(path)
    pl.DataFrame({"text": S, "label": [[{"x": 1}], []] * 2}).write_parquet(path)
    with pytest.raises(DataError, match="the label 'label' of row 1 is a list with a record"):
        load(path)


def test_names_of_classes_beside_their_numbers(write: Write) -> None:
    dataset = load(
        write({"t.csv": csv("text,label,label_text", S, ("0", "1") * 2, ("bad", "good") * 2)}) / "t.csv"
    )
    assert dataset.task.labels == ("bad", "good")
    odd = load(
        write({"t.csv": csv("text,label,label_text", S, ("0", "1") * 2, ("bad", "good", "bad", "bad"))})
        / "t.csv"
    )
    assert odd.task.labels == ("0", "1")


@pytest.mark.parametrize("shape", ["{}.jsonl", "data/{}-00000-of-00001.jsonl", "{}/part.jsonl"])
def test_a_table_for_each_split_is_one_data_set(write: Write, tmp_path: Path, shape: str) -> None:
    rows = {split: [{"text": f"{s} {split}", "label": c} for s, c in zip(S, AB, strict=True)]
            for split in ("train", "validation", "test")}  # fmt: skip
    files = {shape.format(split): "\n".join(map(json.dumps, some)) for split, some in rows.items()}
    folder = write(files | {"README.txt": "about it"})
    for dataset in (load(folder), load(zipped(folder, tmp_path / "z.zip"))):
        assert dataset.split.tolist() == ["train"] * 4 + ["val"] * 4 + ["test"] * 4
        assert len({item.id for item in dataset.items}) == 12
        assert "splits from the names of 3 tables" in dataset.notes[-1].message


def test_tables_for_splits_may_lack_labels_and_lie_beside_others(write: Write) -> None:
    files = {"train.csv": csv("id,text,target", ("1", "2", "3", "4"), S, AB),
             "test.csv": csv("id,text", ("5", "6", "7", "8"), S[::-1]),
             "sample_submission.csv": csv("id,target", ("5", "6", "7", "8"), AB)}  # fmt: skip
    dataset = load(write(files))
    assert dataset.labelled.tolist() == [True] * 4 + [False] * 4
    assert dataset.items[4].id == "5"
    with pytest.raises(DataError, match=r"several tables hold texts: a\.csv, b\.csv.*call them train, val"):
        load(write({"a.csv": csv("text,label", S, AB), "b.csv": csv("text,label", S, AB)}, "two"))


def test_tables_of_images_may_be_split_likewise(write: Write) -> None:
    rows = {"train.csv": "path,label\na/0.png,x\nb/0.png,y\n", "test.csv": "path,label\na/1.png,x\n"}
    dataset = load(write({"a/0.png": 1, "a/1.png": 2, "b/0.png": 3} | rows))
    assert dataset.modality == "image"
    assert dataset.split.tolist() == ["train", "train", "test"]
    assert all(item.read() for item in dataset.items)


def test_folders_of_texts(write: Write, tmp_path: Path) -> None:
    files = {f"{split}/{c}/{i}.txt": s for split in ("train", "test") for c in "ab" for i, s in enumerate(S)}
    folder = write(files | {"README.md": "about", "train/unsup/1.txt": "no label"})
    for dataset in (load(folder), load(zipped(folder, tmp_path / "z.zip", "top/"))):
        assert (dataset.modality, len(dataset), dataset.task.labels) == ("text", 17, ("a", "b"))
        assert dataset.labelled.sum() == 16
        assert set(dataset.split.tolist()) == {"train", "test"}
        assert [note.code for note in dataset.notes] == ["HS504"]
    bare = load(write({f"{c}/{i}": s for c in ("sci.med", "rec.autos") for i, s in enumerate(S)}, "news"))
    assert (bare.modality, bare.task.labels) == ("text", ("rec.autos", "sci.med"))


def test_the_kind_that_most_files_are_of(write: Write) -> None:
    captions = {f"a/{i}.{end}": content for i in range(3) for end, content in (("png", i), ("txt", "says"))}
    assert load(write(captions | {"readme.md": "x"})).modality == "image"
    mixed = load(write({"a/1.txt": "x y", "b/2.txt": "y z", "b/3.md": "z", "b/x.png": 1}, "texts"))
    assert (mixed.modality, len(mixed)) == ("text", 3)
    assert [note.where for note in mixed.notes] == ["b/x.png"]


def test_a_table_that_names_files_of_texts(write: Write) -> None:
    files = {f"d/{i}.txt": s for i, s in enumerate(S)}
    dataset = load(write(files | {"t.csv": csv("file,label", tuple(files), AB)}))
    assert (dataset.modality, dataset.task.labels) == ("text", ("a", "b"))
    assert isinstance(dataset.items[0], FileItem)


def test_file_names_without_endings_are_told_from_texts_by_their_files(write: Write) -> None:
    folder = write(
        {
            "one": 1,
            "two": 2,
            "t.csv": "image,comment,label\none,a fine and good one,x\ntwo,not so good here,y\n",
        }
    )
    assert load(folder / "t.csv", label_column="label").modality == "image"
    (folder / "one").unlink()
    assert load(folder / "t.csv", label_column="label").modality == "text"


def test_class_folders_win_over_a_table_with_some_prose(write: Write) -> None:
    dataset = load(write({"a/1.png": 1, "b/1.png": 2, "notes.csv": csv("text,label", S, AB)}))
    assert dataset.modality == "image"
    assert load(write({}), text_column="text").modality == "text"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'text,label\n"hello there\nmy friend",a\n"she said ""no"" today, ok",b\n'),
        ("t.csv", 'text;label\n"hello there\nmy friend";a\n"she said ""no"" today, ok";b\n'),
        ("t.csv", '\ufefftext,label\r\n"hello there\nmy friend",a\r\n"she said ""no"" today, ok",b\r\n'),
        ("t.tsv", 'text\tlabel\n"hello there\nmy friend"\ta\n"she said ""no"" today, ok"\tb\n'),
    ],
)
def test_tables_as_people_write_them(write: Write, name: str, content: str) -> None:
    for data in (content.encode(), content.encode("utf-16")):
        dataset = load(write({name: data}) / name)
        assert texts(dataset) == ["hello there\nmy friend", 'she said "no" today, ok']
        assert dataset.task.labels == ("a", "b")


def test_quotes_in_a_tsv_may_be_letters(write: Write) -> None:
    content = 'sentence\tlabel\n"Hello" she said there\t1\nit was "good\t0\n"all in quotes"\t1\n'
    expected = ['"Hello" she said there', 'it was "good', "all in quotes"]
    assert texts(load(write({"t.tsv": content}) / "t.tsv")) == expected


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_quote_inside_a_cell_is_a_letter(write: Write, separator: str) -> None:
    rows = [("text", "label", "x", "x"), ('the 6" pipe is ok', "1", "", ""),
            ('"said ""no"",\n\nok"', "2", "x", ""), ('10" rods', "", "", "y")]  # fmt: skip
    content = "\r\n".join(separator.join(row) for row in rows) + "\r\n\r\n"
    dataset = load(write({"t.csv": content}) / "t.csv", label_column="label")
    assert texts(dataset) == ['the 6" pipe is ok', 'said "no",\n\nok', '10" rods']
    assert dataset.y.tolist() == [0, 1, -1]
    assert dataset.notes[-1].message.endswith("not used: 'x', 'x (column 4)'")
    assert dataset.task.labels == ("1", "2")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_blank_lines_are_no_rows(write: Write, name: str) -> None:
    rows = ["text,label", "", "one two three,a", "  \r", '"four\n\nfive",b', ",b", "", ""]
    if name == "t.tsv":
        rows = [row.replace(",", "\t") for row in rows if row != "  \r"]
    dataset = load(write({name: "\n".join(rows)}) / name)
    assert texts(dataset) == ["one two three", "four\n\nfive", ""]
    assert [item.id for item in dataset.items] == ["row 1", "row 2", "row 3"]
    assert [f.where for f in doctor.check(dataset).errors if f.code == "HS102"] == ["row 3"]


def test_another_encoding_is_read_and_told(write: Write) -> None:
    content = csv("text,label", ("le café naïf est “bon”", *S[1:]), AB)
    dataset = load(write({"t.csv": content.encode("cp1252")}) / "t.csv")
    assert texts(dataset)[0] == "le café naïf est “bon”"
    assert dataset.notes[0].code == "HS212"
    assert dataset.notes[0].message == "it is no UTF-8: read as Windows-1252"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "the table is empty"),
        ("t.csv", "text,label\n", "no rows"),
        (
            "t.csv",
            "text,label\nhello there, my friend, bye,a\n",
            "row 1 \\(line 2\\) has 4 cells, but there are 2 columns",
        ),
        (
            "t.csv",
            'text,label\nthe 6" pipe,a\n\nhello\nthere, my friend, bye,a\n',
            "row 3 \\(line 5\\) has 4 cells, but there are 2 columns: put texts",
        ),
        (
            "t.csv",
            'text,label\nthe 6" pipe,a\nhello\n',
            "row 2 \\(line 3\\) has 1 cell, but there are 2 columns: fill",
        ),
        ("t.csv", 'text,label\nthe pipe,a\n\n"6 pipes,b\nall,a\n', "row 2 has a quote out of place.*twice"),
        ("t.csv", 'text,label\n"a ,y\nfoo,n\n"b,y\n', "row 1 has a quote out of place"),
        ("t.tsv", 'text\tlabel\n"6 pipes\tb\nall\ta\tx\n', "row 1 has a quote out of place"),
        (
            "t.csv",
            '"a first text with very many words",1\n"another of them with words",0\n',
            "first row does not look like",
        ),
        ("t.csv", csv("text,x,z", S, AB, AB), "which column holds the labels: 'x', 'z'"),
        ("t.jsonl", '{"text": "a b c d"}\n{"text":\n', "line 2 is not valid JSON"),
        ("t.jsonl", '{"text": "a b c d"}\n[1, 2]\n', "line 2 is no record"),
        ("t.jsonl", '{"text": {"a": "b"}, "label": "x"}\n', "'text': no texts, but lists or records"),
        ("t.jsonl", '{"text": "a b c d", "label": {"a": 1}}\n', "'label' holds records"),
    ],
)
def test_mistakes_are_named(write: Write, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write({name: content}) / name)


def test_a_named_column_that_holds_no_texts(write: Write) -> None:
    path = write({"t.jsonl": '{"tokens": ["a", "b"], "label": "x"}\n'}) / "t.jsonl"
    with pytest.raises(DataError, match="'tokens' holds lists, not texts"):
        load(path, text_column="tokens")


def test_empty_cells_are_findings_and_may_go(write: Write) -> None:
    dataset = load(write({"t.csv": csv("text,label", ("", "", *S), ("a", "b", *AB))}) / "t.csv")
    report = doctor.check(dataset)
    assert [(f.code, f.where) for f in report.errors] == [("HS102", "row 1"), ("HS102", "row 2")]
    assert not {"HS401", "HS403"} & {f.code for f in report.findings}
    kept, gone = doctor.drop_bad(dataset, report)
    assert (texts(kept), gone) == (list(S), ["row 1", "row 2"])
    assert not doctor.check(kept).errors


def test_a_cell_of_ten_megabytes_is_a_finding(write: Write) -> None:
    dataset = load(write({"t.csv": csv("text,label", ("x y z " * 1_700_000, *S[1:]), AB)}) / "t.csv")
    assert "HS105" in [f.code for f in doctor.check(dataset).errors]


def test_lists_of_texts() -> None:
    import pandas as pd

    for data in (list(S), tuple(S), np.array(S), np.array(S, dtype=object), pd.Series(S), pl.Series(S)):
        dataset = load(data, labels=AB)
        assert (dataset.modality, texts(dataset), dataset.y.tolist()) == ("text", list(S), [0, 1, 0, 1])
    gaps = load([*S, None, math.nan], labels=[*AB, "a", "b"])
    assert texts(gaps)[-2:] == ["", ""]
    assert load(list(S)).task is None


def test_lists_of_pairs() -> None:
    rows = list(zip(S, S[::-1], strict=True))
    for data in (rows, [list(row) for row in rows], np.array(rows)):
        dataset = load(data, labels=[0, 1, 0, 1])
        assert dataset.pairs
        assert [(item.text, item.second) for item in dataset.items] == rows
    assert load([*rows, (S[0], None)]).items[-1].second == ""


def test_lists_of_paths_stay_what_they_are(tmp_path: Path) -> None:
    assert load(["nowhere.png", "there.JPG"]).modality == "image"
    (tmp_path / "a").write_text("hello")
    (tmp_path / "b.txt").write_text("hello")
    assert isinstance(load([str(tmp_path / "a")] * 2).items[0], FileItem)
    files = load([str(tmp_path / "b.txt"), tmp_path / "b.txt"], labels=["x", "y"])
    assert (files.modality, isinstance(files.items[0], FileItem)) == ("text", True)


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (["a b", 3], None, "row 2 of the items given: int, where a text is needed"),
        ([("a", "b"), "c"], None, "row 2 of the items given: str, where a pair of texts is needed"),
        (["a b", "c d"], ["x"], "2 texts, but 1 labels"),
    ],
)
def test_mistakes_in_lists(data: list, labels: list | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(data, labels=labels)


@pytest.mark.filterwarnings("ignore")
def test_hub_data_of_texts() -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features(
        {"idx": datasets.Value("int32"), "sentence": datasets.Value("string"), "label": label}
    )
    rows = {"idx": [0, 1, 2, 3], "sentence": [*S[:3], None], "label": [0, 1, 0, 1]}
    part = datasets.Dataset.from_dict(rows, features=features)
    dataset = load(datasets.DatasetDict({"train": part, "test": part}))
    assert (dataset.modality, dataset.task.labels) == ("text", ("neg", "pos"))
    assert texts(dataset) == [*S[:3], ""] * 2
    assert dataset.items[4].id == "test/0"
    pairs = datasets.Dataset.from_dict(
        {"premise": list(S), "hypothesis": list(S[::-1]), "label": [0, 1, 0, 1]}
    )
    assert load(pairs).items[0].second == S[-1]
    assert not load(pairs, text_column="hypothesis").pairs
    with pytest.raises(DataError, match="'label' holds no texts"):
        load(pairs, text_column="label")
    with pytest.raises(UnknownName, match="did you mean 'premise'"):
        load(pairs, text_column="premiss")


def test_damaged_archives_inside(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i, s in enumerate(S):
            archive.writestr(f"{AB[i]}/ü {i}.txt", s.encode("cp1252"))
    report = doctor.check(load(path))
    assert not report.errors
    assert "HS503" in [f.code for f in report.notes]


def test_texts_that_are_not_read_are_named(tmp_path: Path) -> None:
    rows = [
        {"dialogue": f"one says hello {n}", "summary": f"two people meet, {n}", "label": "ab"[n % 2]}
        for n in range(8)
    ]
    (tmp_path / "talks.jsonl").write_text("\n".join(json.dumps(row) for row in rows))

    def warned(**named: str) -> list[str]:
        notes = load(tmp_path / "talks.jsonl", **named).notes
        return [note.message for note in notes if note.code == "HS508"]

    assert warned() == ["'dialogue': only 'summary' is read"]
    assert warned(text_column="summary") == []
    assert warned(text_column="dialogue", pair_column="summary") == []


def test_a_file_that_is_no_table_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(bytes(np.random.default_rng(0).integers(0, 256, 2000, np.uint8)))
    with pytest.raises(DataError, match=r"it is no text: \d+ of its first 1,000 characters are control"):
        load(tmp_path / "items.csv")
