"""The doctor: every kind of finding, once; nothing decoded twice; bad items dropped cleanly."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.task import Task
from headstart.data import load, splits
from headstart.data.checks import doctor, findings
from headstart.modalities import image

from .files import Write, picture, two_classes, zipped


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def zoo() -> dict[str, bytes | int]:
    """Two good classes and one of every odd file."""
    upside_down = Image.Exif()
    upside_down[0x0112] = 3
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    base = Image.open(io.BytesIO(picture(77)))
    deep = np.random.default_rng(0).integers(0, 65536, (9, 9), dtype=np.uint16)
    return {
        **two_classes(12),
        "a/empty.jpg": b"",
        "a/text.jpg": b"I am not an image",
        "a/cut.jpg": picture(5, "JPEG", (200, 200))[:900],
        "a/cut.png": picture(5, "PNG", (200, 200))[:900],
        "b/one.png": encoded(Image.new("RGB", (1, 1))),
        "b/long.png": encoded(base.resize((120, 4))),
        "b/frames.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "b/cmyk.jpg": encoded(base.convert("CMYK"), "JPEG"),
        "b/alpha.png": encoded(base.convert("RGBA")),
        "b/deep.png": encoded(Image.fromarray(deep)),
        "b/palette.png": encoded(base.quantize(8)),
        "b/turned.jpg": encoded(base, "JPEG", exif=upside_down),
        "b/blank.png": encoded(Image.new("RGB", (9, 9), (3, 3, 3))),
        "b/größe.png": 4242,
    }


def codes(report: findings.Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in report.findings:
        found.setdefault(one.code, []).append(one.where)
    return found


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_zoo_of_odd_files(write: Write, tmp_path: Path, form: str) -> None:
    folder = write(zoo())
    dataset = load(folder if form == "folder" else zipped(folder, tmp_path / "zoo.zip"))
    report = doctor.check(dataset)
    found = codes(report)
    expected = {
        "HS102": ["a/empty.jpg"], "HS103": ["a/text.jpg"], "HS104": ["a/cut.jpg", "a/cut.png"],
        "HS201": ["b/one.png"], "HS202": ["b/long.png"], "HS203": ["b/frames.gif"], "HS204": ["b/cmyk.jpg"],
        "HS205": ["b/alpha.png"], "HS206": ["b/deep.png"], "HS208": ["b/turned.jpg"],
        "HS503": ["b/größe.png"],
    }  # fmt: skip
    assert {code: found[code] for code in expected} == expected
    assert "b/palette.png" in found["HS207"]
    assert "b/blank.png" in found["HS209"]
    assert {f.where for f in report.errors} == {"a/empty.jpg", "a/text.jpg", "a/cut.jpg", "a/cut.png"}
    kept, dropped = doctor.drop_bad(dataset, report)
    assert sorted(dropped) == ["a/cut.jpg", "a/cut.png", "a/empty.jpg", "a/text.jpg"]
    again = doctor.check(kept).with_dropped(dropped)
    assert not again.errors
    assert codes(again)["HS507"] == dropped


def test_files_that_cannot_be_read(write: Write) -> None:
    folder = write(two_classes(3))
    (folder / "a/gone.png").symlink_to("nowhere.png")
    report = doctor.check(load(folder))
    assert [(f.code, f.where, f.message) for f in report.errors] == [
        ("HS101", "a/gone.png", "a link to nothing ('nowhere.png')")
    ]


def test_the_readable_ones(write: Write) -> None:
    folder = write({"a/0.txt": "a text", "a/1.txt": " \n", "b/0.txt": "b text", "b/1.txt": "c"})
    dataset = load(folder)
    (folder / "b" / "0.txt").unlink()
    kept, errors = doctor.readable(dataset)
    assert [item.id for item in kept.items] == ["a/0.txt", "b/1.txt"]
    assert [(error.code, error.where, error.row) for error in errors] == [
        ("HS102", "a/1.txt", 1),
        ("HS101", "b/0.txt", 2),
    ]
    assert kept.known_digests() == dataset.subset([0, 3]).digests()
    assert doctor.readable(kept)[1] == ()


def test_bombs_are_errors(write: Write) -> None:
    header = encoded(Image.new("RGB", (4, 4)))
    bomb = header.replace(b"\x00\x00\x00\x04\x00\x00\x00\x04", b"\x00\x00\x80\x00\x00\x00\x80\x00")
    report = doctor.check(load(write(two_classes(2) | {"a/bomb.png": bomb})))
    assert [f.code for f in report.errors] in (["HS105"], ["HS104"])


def test_duplicates_of_every_kind(write: Write) -> None:
    files = {
        **two_classes(3, "train"), **two_classes(3, "test"),
        "train/a/x.png": 7, "train/a/y.png": 7,
        "train/b/p.png": 8, "train/a/q.png": 8,
        "train/b/u.png": 9, "test/b/v.png": 9,
    }  # fmt: skip
    found = codes(doctor.check(load(write(files))))
    assert found["HS401"] == ["train/a/y.png"]
    assert found["HS403"] == ["train/b/p.png"]
    assert found["HS404"] == ["test/b/v.png"]


def toy(labels, *, names: str = "abcdef", split=None, kind: str = "classification") -> Dataset:
    y = np.asarray(labels)
    items = tuple(
        ArrayItem(f"i{k}", np.array([[k % 256, k // 256, 9], [0, 255, 17]], dtype=np.uint8))
        for k in range(len(y))
    )
    column = None if split is None else np.array(split)
    return Dataset("toy", "image", items, Task(kind, tuple(names), "accuracy"), y, split=column)


def test_labels_are_judged() -> None:
    few = codes(doctor.check(toy([0, 0, 0, 1, -1], names="ab")))
    assert few["HS304"] == ["i3"]
    assert few["HS305"] == ["a"]
    assert few["HS302"] == ["i4"]
    assert codes(doctor.check(toy([0] * 12, names="a")))["HS303"] == ["toy"]
    uneven = codes(doctor.check(toy([0] * 120 + [1] * 10, names="ab")))
    assert set(uneven) == {"HS306"}
    assert codes(doctor.check(toy([0] * 12 + [1] * 12, names="abc")))["HS311"] == ["c"]
    alike = doctor.check(toy([0] * 12 + [1] * 12, names=("Big cat", "big_cat")))
    assert codes(alike) == {"HS309": ["Big cat / big_cat"]}
    assert doctor.check(toy([0] * 12 + [1] * 12, names="ab")).findings == ()


def test_label_sets_that_differ_between_parts() -> None:
    split = ["train"] * 30 + ["test"] * 12
    report = doctor.check(
        toy([0] * 10 + [1] * 10 + [2] * 10 + [0] * 6 + [1] * 4 + [3] * 2, names="abcd", split=split)
    )
    found = codes(report)
    assert found["HS307"] == ["i40", "i41"]
    assert found["HS308"] == ["c"]
    kept, dropped = doctor.drop_bad(
        toy([0, 0, 1, 1, 2], names="abc"), doctor.check(toy([0, 0, 1, 1, 2], names="abc"))
    )
    assert (dropped, kept.task.labels, kept.y.tolist()) == (["i4"], ("a", "b"), [0, 0, 1, 1])


def test_groups_on_both_sides_of_the_test_part() -> None:
    dataset = toy([0, 1] * 12, names="ab", split=["train"] * 10 + ["val"] * 2 + ["test"] * 12)
    groups = np.arange(24)
    groups[[3, 4, 20, 21]] = 77  # in training and test
    groups[[11, 22]] = 88  # in the val part and the test part
    groups[[0, 10]] = 99  # in training and the val part: no fold parts them
    report = doctor.check(replace(dataset, groups=groups))
    told = [(f.code, f.where, f.row, f.message) for f in report.findings if f.code == "HS406"]
    assert told == [
        ("HS406", "i20", 20, "its group has 2 items outside the test part, such as i3"),
        ("HS406", "i22", 22, "its group has 1 items outside the test part, such as i11"),
    ]
    assert report.warnings
    assert "HS406" not in codes(doctor.check(replace(dataset, groups=np.arange(24))))
    assert "HS406" not in codes(doctor.check(replace(dataset, groups=groups, split=None)))


def test_a_test_part_without_labels_is_told_once() -> None:
    unlabelled = toy([0] * 12 + [1] * 12 + [-1] * 9, names="ab", split=["train"] * 24 + ["test"] * 9)
    assert codes(doctor.check(unlabelled))["HS302"] == ["the test part"]
    some = toy([0] * 12 + [1] * 12 + [-1, 0, 1], names="ab", split=["train"] * 24 + ["test"] * 3)
    assert codes(doctor.check(some))["HS302"] == ["i24"]


def test_no_labels_and_regression() -> None:
    bare = Dataset("toy", "image", toy([0, 1]).items)
    assert codes(doctor.check(bare)) == {"HS301": ["toy"]}
    assert codes(doctor.check(toy([1.0, 1.0, np.nan], names=["age"], kind="regression"))) == {
        "HS303": ["toy"], "HS302": ["i2"],
    }  # fmt: skip
    several = np.array([[1, 0], [1, 0], [1, 1], [np.nan, np.nan]], dtype=np.float32)
    assert codes(doctor.check(toy(several, names="ab", kind="multilabel"))) == {
        "HS302": ["i3"],
        "HS305": ["a", "b"],
    }


def test_one_image_a_class_and_two_thousand_classes() -> None:
    report = doctor.check(toy(np.arange(50), names=[f"c{i}" for i in range(50)]))
    assert len([f for f in report.errors if f.code == "HS304"]) == 1
    many = toy(np.arange(4000) % 2000, names=[f"c{i}" for i in range(2000)])
    report = doctor.check(many)
    assert not report.errors
    lines = report.lines()
    assert any("2,000 times: class with few items" in line for line in lines)
    assert len(lines) < 20
    assert len(splits.make_split(many).folds) == 2


def test_a_second_check_decodes_nothing(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(zoo())
    memo: dict[str, dict] = {}
    first = doctor.check(load(folder), memo=memo)
    json.dumps(memo)
    monkeypatch.setattr(image, "examine", lambda data: pytest.fail("decoded again"))
    assert doctor.check(load(folder), memo=memo).findings == first.findings


def test_digests_are_kept_and_files_then_not_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load(write(two_classes(3)))
    memo: dict[str, dict] = {}
    doctor.check(dataset, memo=memo)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("read again"))
    assert len(dataset.digests()) == 6
    assert len(splits.make_split(dataset).folds) == 30
    doctor.check(dataset, memo=memo)


def test_an_old_memo_is_not_believed(write: Write) -> None:
    dataset = load(write(two_classes(2)))
    memo: dict[str, dict] = {}
    first = doctor.check(dataset, memo=memo)
    old = {key: {"version": 0, "image": {}} for key in memo}
    assert doctor.check(load(write(two_classes(2))), memo=old).findings == first.findings


def test_progress_reaches_the_end(write: Write) -> None:
    told: list[tuple[int, int]] = []
    doctor.check(load(write(two_classes(40))), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (80, 80)
    assert told == sorted(told)


def test_many_findings_are_grouped() -> None:
    report = doctor.check(toy([-1] * 9 + [0] * 12 + [1] * 12, names="ab"))
    lines = report.lines("warning")
    assert lines[0].startswith("HS302 9 times: label missing")
    assert lines[-1].strip() == "and 4 more"
    assert len(lines) == 7
    assert report.lines("error") == []


def test_reports_as_json(write: Write) -> None:
    report = doctor.check(load(write(zoo())))
    document = json.loads(json.dumps(report.to_json()))
    assert document["errors"] == 4
    assert Counter(f["severity"] for f in document["findings"])["error"] == 4
    assert {"code", "severity", "where", "message", "remedy", "row"} == set(document["findings"][0])
    assert all(f.code in findings.CODES for f in report.findings)
