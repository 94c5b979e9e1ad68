"""Packed tables, spreadsheets, Arrow, the lines of fastText; and what no table may ask for."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable

import polars as pl
import pytest

from headstart.core.dataset import Dataset
from headstart.core.untrusted import limits
from headstart.data import load
from headstart.errors import DataError, MissingExtra
from workbook import workbook

from .files import Write, zipped

ROWS = [{"text": f"it came on day {i}", "label": "ab"[i % 2]} for i in range(6)]
TABLE = pl.DataFrame(ROWS)
CSV = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS)
LINES = "\n".join(map(json.dumps, ROWS)).encode()
FASTTEXT = "".join(f"__label__{row['label']} {row['text']}\n" for row in ROWS)
SHEET = [("text", "label"), *(tuple(row.values()) for row in ROWS)]


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


FORMS = {
    "t.csv.gz": gzip.compress(CSV.encode(), mtime=0),
    "t.csv.bz2": bz2.compress(CSV.encode()),
    "t.jsonl.xz": lzma.compress(LINES),
    "t.json.gz": gzip.compress(json.dumps({"data": ROWS}).encode(), mtime=0),
    "t.csv": gzip.compress(CSV.encode(), mtime=0),  # packed, although its name says nothing of it
    "t.feather": written(lambda file: TABLE.write_ipc(file, compression="lz4")),
    "t.arrow": written(TABLE.write_ipc_stream),
    "t.xlsx": workbook(SHEET),
    "t.txt": FASTTEXT,
    "t.txt.gz": gzip.compress(FASTTEXT.encode(), mtime=0),
    "t.parquet": written(TABLE.cast({"text": pl.Categorical}).write_parquet),
}


def right(dataset: Dataset) -> bool:
    texts = [item.text for item in dataset.items] == TABLE["text"].to_list()
    return texts and dataset.y.tolist() == [0, 1] * 3 and dataset.name == "t"


@pytest.mark.parametrize("name", FORMS)
def test_every_form_alone_in_folders_and_in_archives(write: Write, name: str) -> None:
    folder = write({name: FORMS[name]}, "t")
    assert all(map(right, (load(folder / name), load(folder), load(zipped(folder, folder.parent / "t.zip")))))


def test_a_table_for_each_split(write: Write) -> None:
    folder = write({"train.txt": FASTTEXT, "test.txt.gz": gzip.compress(FASTTEXT.encode(), mtime=0)})
    assert load(folder).split.tolist() == ["train"] * 6 + ["test"] * 6
    book = write({"t.xlsx": workbook(SHEET, SHEET, names=["train", "test"])}) / "t.xlsx"
    assert load(book).split.tolist() == ["train"] * 6 + ["test"] * 6


def test_of_several_sheets_the_one_that_is_read_is_told(write: Write) -> None:
    odd = [("Results of 2024",), ("text", "label", None), *(tuple(row.values()) for row in ROWS)]
    dataset = load(write({"t.xlsx": workbook([], odd, SHEET, names=["empty", "one", "two"])}) / "t.xlsx")
    assert right(dataset)
    notes = [note.message for note in dataset.notes if note.code == "HS510"]
    assert notes[0].startswith("line 1 ('Results of 2024,') is no row of names")
    assert notes[1] == "the sheet 'one' is read; not read: 'two'"


def test_what_is_missing_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write({"t.xlsx": FORMS["t.xlsx"], "t.feather": FORMS["t.feather"]})
    for module, extra, name in (("fastexcel", "excel", "t.xlsx"), ("pyarrow", "arrow", "t.feather")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtra, match=rf"headstart\[{extra}\]"):
            load(folder / name)


def test_several_labels_in_the_lines_of_fasttext(write: Write) -> None:
    content = "__label__a __label__b it came\nit did not __label__b\n\nno label here\n"
    dataset = load(write({"t.txt": content}) / "t.txt")
    assert [item.text for item in dataset.items] == ["it came", "it did not", "no label here"]
    assert (dataset.task.kind, dataset.y[:2].tolist()) == ("multilabel", [[1, 1], [0, 1]])


DEEP = '{"a":' * 600 + "1" + "}" * 600
WIDE = ",".join(f"c{i}" for i in range(20_000))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.jsonl",
            LINES + b"\n" + DEEP.encode(),
            "line 7 has lists or records inside each other, more than 128 deep",
        ),
        ("t.json", DEEP, "more than 128 deep"),
        ("t.csv", f"{WIDE}\n{WIDE}", "it has 20,000 columns; up to 10,000 are read"),
        ("t.tsv", f"{WIDE}\n{WIDE}".replace(",", "\t"), "it has 20,000 columns"),
        ("t.jsonl", json.dumps(dict.fromkeys(WIDE.split(","), 1)), "more than 10,000 columns"),
        (
            "t.jsonl",
            "\n".join(json.dumps({f"c{i}": i}) for i in range(5_000)),
            "have names that are in none above",
        ),
        ("t.jsonl", json.dumps({"a": dict.fromkeys(WIDE.split(","), 1)}), "more than 10,000 columns"),
        ("t.parquet", b"PAR1" + b"\xff" * 40 + b"PAR1", "cannot be read"),
        ("t.feather", b"ARROW1\0\0" + b"\xff" * 40 + b"ARROW1", "cannot be read"),
        ("t.xlsx", b"PK\3\4 damaged", "cannot be read"),
        ("t.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-20], "cannot be read"),
        ("t.csv.zst", b"\x28\xb5\x2f\xfd" + b"\0" * 20, "cannot be read"),
    ],
)
def test_what_asks_for_too_much_or_is_damaged_is_refused(
    write: Write, name: str, content: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(write({name: content}) / name)


def test_what_unpacks_to_too_much_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = pl.DataFrame({"text": pl.repeat("a b c " * 500, 3_000, eager=True), "label": ["a", "b"] * 1_500})
    folder = write(
        {
            "t.csv.gz": gzip.compress(CSV.encode() * 500, mtime=0),
            "t.parquet": written(text.write_parquet),
            "b.xlsx": workbook(SHEET * 50),
        }
    )
    monkeypatch.setattr(limits, "ITEM_BYTES", 20_000)
    for name in ("t.csv.gz", "t.parquet", "b.xlsx"):
        with pytest.raises(DataError, match="unpack"):
            load(folder / name)
    monkeypatch.setattr(limits, "CELLS", 5_000)
    with pytest.raises(DataError, match="2 columns of 3,000 rows; up to 5,000 cells are read"):
        load(folder / "t.parquet")


def test_durations_are_no_texts(write: Write) -> None:
    table = TABLE.with_columns(took=pl.duration(hours=pl.int_range(6)))
    folder = write({"t.parquet": written(table.write_parquet)})
    with pytest.raises(DataError, match=r"'took' holds values of the kind Duration.*, not texts"):
        load(folder / "t.parquet", text_column="took", label_column="label")
    assert len(load(folder / "t.parquet", text_column="text", label_column="label")) == 6
