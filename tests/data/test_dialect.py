"""What programs write around the rows of a .csv."""

from __future__ import annotations

import pytest

from headstart.data import load
from headstart.errors import DataError

from .files import Write

LINES = ["text,label", *(f"it came on day {i},{'good' if i % 2 else 'bad'}" for i in range(6))]
TABLE = "\n".join(LINES)


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (TABLE, "", ""),
        ("sep=;\n" + TABLE.replace(",", ";"), "HS509", "line 1 declares the separator: 'sep=;'"),
        ('\ufeff"sep=^"\r\n' + TABLE.replace(",", "^"), "HS509", "declares the separator"),
        ("sep=\t\n" + TABLE.replace(",", "\t"), "HS509", "declares the separator"),
        ("# exported 2024-01-01\n" + TABLE, "HS510", "line 1 begins with #: left out"),
        ("# a\n#b, c\n" + TABLE, "HS510", "lines 1, 2 begin with #"),
        ("# text,label\n" + "\n".join(LINES[1:]), "", ""),
        ("Survey of 2024\n\n" + TABLE, "HS510", "line 1 ('Survey of 2024') is no row of names"),
        ("Survey of 2024,\n" + TABLE, "HS510", "is no row of names"),
        ("Survey, 2024\n" + TABLE.replace(",", ";"), "HS510", "line 1 ('Survey, 2024')"),
        (TABLE + "\nTotal: 6\n", "HS510", "line 8 ('Total: 6'): below the rows"),
        (TABLE + "\n\n(6 rows affected)\n\n", "HS510", "line 9 ('(6 rows affected)')"),
        (TABLE + "\n\nby me\n", "HS510", "line 9 ('by me')"),
        (TABLE.replace("\n", "\r"), "", ""),
        (TABLE.replace("\n", "\r\r\n"), "", ""),
        (TABLE.replace("\n", "\u2028"), "", ""),
        (TABLE.encode("utf-16"), "", ""),
        (TABLE.encode("utf-16-le"), "", ""),
        (TABLE.encode("utf-16-be"), "", ""),
        ("\n".join(line + ",,," for line in LINES), "", ""),
        ("\n".join([LINES[0], *(line + ",," for line in LINES[1:])]), "", ""),
        ("\n".join([",label,kind", *(f"{line.replace(',', ',,')}" for line in LINES[1:])]), "", ""),
    ],
)
def test_rows_are_found(write: Write, content: str | bytes, code: str, said: str) -> None:
    dataset = load(write({"t.csv": content}) / "t.csv")
    assert [item.text for item in dataset.items] == [f"it came on day {i}" for i in range(6)]
    assert (dataset.task.labels, dataset.y.tolist()) == (("bad", "good"), [0, 1] * 3)
    notes = {note.code: note.message for note in dataset.notes}
    assert said in notes.get(code, "")
    assert not any("_duplicated" in note for note in notes.values())


def test_a_line_that_may_be_a_row_stays(write: Write) -> None:
    kept = load(write({"t.csv": TABLE + "\nthe label is missing"}) / "t.csv")
    assert (len(kept), kept.y.tolist()[-1]) == (7, -1)
    hashed = load(write({"t.csv": "text,label\n#first of all,good\nnot so\nthe last,bad"}) / "t.csv")
    assert [item.text for item in hashed.items] == ["#first of all", "not so", "the last"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("v1,v2,,\n" + "\n".join(f"{line},,x{i}" for i, line in enumerate(LINES[1:])), "'v2', 'column 4'"),
        (
            "Rating\n" + "\n".join(LINES[1:]),
            r"line 2\) has 2 cells, but there is 1 column in the first line \('Rating'",
        ),
        (TABLE + "\na, b, c,good", r"row 7 \(line 8\) has 4 cells"),
        ("sep=;\n" + TABLE.replace(",", ";") + "\na;b;good", r"row 7 \(line 9\) has 3 cells"),
        ("\n".join(LINES[1:]), "first row is no row of names: 'bad' is a label"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "a pointer of Git LFS"),
    ],
)
def test_what_is_odd_is_named(write: Write, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write({"t.csv": content}) / "t.csv")
