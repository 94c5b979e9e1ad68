"""A .json by what it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headstart.data import load
from headstart.errors import DataError

from .files import Write

ROWS = [{"text": f"it came on day {i}", "label": "ab"[i % 2]} for i in range(6)]
COLUMNS = {name: [row[name] for row in ROWS] for name in ("text", "label")}
LINES = "\n".join(map(json.dumps, ROWS))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ROWS, ""),
        (LINES, ""),
        (json.dumps(ROWS, indent=1), ""),
        ({"data": ROWS}, "its rows are those of 'data'"),
        ({"version": 1, "classes": ["a", "b"], "rows": ROWS}, "those of 'rows'; not read: 'version', 'classes'"),
        ({"result": {"page": 1, "items": ROWS}}, "in 'result': its rows are those of 'items'; not read: 'result.page'"),
        (COLUMNS, "a record of columns of 6 rows each"),
        ({"text": {str(i): r["text"] for i, r in enumerate(ROWS)},
          "label": {str(i): r["label"] for i, r in enumerate(ROWS)}}, "a record of columns"),
        ({str(i): row for i, row in enumerate(ROWS)}, "one record for each row"),
        ({f"id{i}": row for i, row in enumerate(ROWS)}, "one record for each row"),
        ({"columns": ["text", "label"], "index": [*range(6)], "data": [[*row.values()] for row in ROWS]}, "lie apart"),
        ({"schema": {"fields": [{"name": "text"}]}, "data": ROWS}, "those of 'data'; not read: 'schema'"),
    ],
)  # fmt: skip
def test_what_says_without_doubt_what_the_rows_are(write: Write, content: Any, said: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    dataset = load(write({"d.json": text}) / "d.json")
    assert [item.text for item in dataset.items] == COLUMNS["text"]
    assert (dataset.task.labels, dataset.y.tolist(), dataset.split) == (("a", "b"), [0, 1] * 3, None)
    notes = [note.message for note in dataset.notes if note.code == "HS509"]
    assert (said in notes[0]) if said else not notes


def test_one_array_or_one_record_of_columns_for_each_split(write: Write) -> None:
    columns = {name: values[4:] for name, values in COLUMNS.items()}
    for content in ({"train": ROWS[:4], "test": ROWS[4:]}, {"train": ROWS[:4], "validation": columns}):
        dataset = load(write({"d.json": json.dumps(content)}) / "d.json")
        assert dataset.split.tolist() == ["train"] * 4 + ["test" if "test" in content else "val"] * 2
    twice = {"train": [{**row, "split": "dev"} for row in ROWS]}
    with pytest.raises(DataError, match="whose records have a 'split' of their own"):
        load(write({"d.json": json.dumps(twice)}) / "d.json")


def test_files_and_their_labels(write: Write) -> None:
    folder = write({"a.png": 1, "b.png": 2} | {f"{i}.png": i for i in range(4)})
    for content in ({"a.png": "x", "b.png": "y"}, {"a.png": {"label": "x"}, "b.png": {"label": "y"}}):
        (folder / "d.json").write_text(json.dumps(content))
        for data in (folder / "d.json", folder):
            dataset = load(data)
            assert ([item.id for item in dataset.items], dataset.task.labels) == (
                ["a.png", "b.png"],
                ("x", "y"),
            )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the table is empty"),
        ("[]", "an empty array"),
        ("3", "it holds one number"),
        ('["a", "b"]', "an array of 2 texts: write an array with one record"),
        ('[["a", 1], ["b", 2]]', "an array of 2 lists"),
        ('{"good": ["a", "b"], "bad": ["c"]}', r"a record of 'good' \(array of texts, 2\), 'bad' \(array of texts, 1\)"),
        ('{"a": [{"x": 1}], "b": [{"y": 1}]}', r"'a' \(array of records, 1\), 'b'"),
        ('{"type": "FeatureCollection", "features": [{"type": "Feature"}]}', "GeoJSON"),
        ('{"images": [{"id": 1}], "annotations": [{"id": 1}], "categories": []}', "COCO"),
        ('{"text": "a",\n"label": }', "line 2, column 10"),
        (LINES + "\n{", "line 7 is not valid JSON"),
        ("[" * 3000 + "]" * 3000, "inside each other, more than 128 deep"),
        ("\x00\x01", "it is not valid JSON"),
    ],
)  # fmt: skip
def test_the_rest_is_refused_by_what_it_is(write: Write, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write({"d.json": content}) / "d.json")


def test_settings_and_notes_beside_the_data_do_no_harm(write: Write) -> None:
    files = {f"{label}/{i}.png": i for label in "ab" for i in range(2)}
    more = {
        "config.json": '{"size": 3}',
        "x.json": '{"a": [1], "b": [2, 3]}',
        "a/0.json": '{"file": "0.png"}',
    }
    assert load(write(files | more)).task.labels == ("a", "b")
    assert (
        len(
            load(
                write(
                    {f"{i}.png": i for i in range(3)} | {f"{i}.json": json.dumps(ROWS) for i in range(3)}, "n"
                )
            )
        )
        == 3
    )


def test_no_number_is_no_value_and_half_a_character_is_told(write: Write) -> None:
    from headstart.data.checks import doctor

    rows = [
        *ROWS,
        {"text": "\ud83d", "label": "a"},
        {"text": "\u200b", "label": "b"},
        {"text": "a \ud83d\ude00 b", "label": "a"},
    ]
    lines = "\n".join(map(json.dumps, rows)) + '\n{"text": "a b c", "label": NaN}'
    for name, content in (("d.jsonl", lines), ("d.json", f"[{lines.replace(chr(10), ',')}]")):
        dataset = load(write({name: content}) / name)
        assert (dataset.items[8].text, dataset.y.tolist()[-1]) == ("a \U0001f600 b", -1)
        found = {f.where: (f.code, f.message) for f in doctor.check(dataset).errors}
        assert found["row 7"][0] == "HS106"
        assert "half a character (a lone surrogate)" in found["row 7"][1]
        assert found["row 8"] == ("HS102", "is empty (whitespace and invisible signs only)")
    table = load({name: [row[name] for row in rows] for name in ("text", "label")})
    assert {f.where for f in doctor.check(table).errors} == {"row 7", "row 8"}
