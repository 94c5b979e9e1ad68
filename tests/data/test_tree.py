"""Archives that must not be read."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.untrusted import limits
from headstart.data import load
from headstart.data.checks import doctor
from headstart.data.reading import natural
from headstart.errors import DataError

from .files import picture


def archive(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as out:
        for name, content in members.items():
            info = zipfile.ZipInfo("x", date_time=(2020, 1, 1, 0, 0, 0))
            info.filename = name  # the constructor would tidy it up
            info.compress_type = options.get("compression", zipfile.ZIP_STORED)
            out.writestr(info, content)
    return path


@pytest.mark.parametrize(
    "name",
    ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "C:\\x.png", "..\\x.png", "\\\\host\\x.png"],
)
def test_members_that_point_out_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "z.zip", {"a/1.png": picture(1), name: picture(2)})
    with pytest.raises(DataError, match=r"(?s)not safe to read.*points out of the archive"):
        load(path)


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as out:
        link = zipfile.ZipInfo("a/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        load(path)


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "z.zip", {"a/1.png": bytes(11_000_000)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"unpacks to [\d,]+ times its size"):
        load(path)


def test_too_much_in_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_BYTES", 500)
    path = archive(tmp_path / "z.zip", {f"a/{i}.png": picture(i) for i in range(5)})
    with pytest.raises(DataError, match="would unpack to"):
        load(path)


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    path = archive(tmp_path / "z.zip", {f"../{i}.png": b"" for i in range(8)})
    with pytest.raises(DataError) as raised:
        load(path)
    assert len(raised.value.details) == 6
    assert raised.value.details[-1] == "and 3 more"


def test_members_without_a_name_or_too_deep_are_refused(tmp_path: Path) -> None:
    names = {
        "a/" * 65 + "1.png": "lies 65 folders deep",
        "": "has no name",
        "x" * 5_000: "has a name of 5,000 bytes",
    }
    for name, message in names.items():
        with pytest.raises(DataError, match=message):
            load(archive(tmp_path / "z.zip", {"a/1.png": picture(1), name: b""}))


def test_a_broken_name_and_a_broken_table_of_lzma(tmp_path: Path) -> None:
    path = archive(tmp_path / "z.zip", {"a/\xe4\xe4.png": picture(1)})
    path.write_bytes(path.read_bytes().replace("\xe4\xe4".encode(), b"\xff\xfe\xff\xfe"))
    with pytest.raises(DataError, match="utf-8"):
        load(path)
    path = archive(
        tmp_path / "l.zip",
        {f"{n}/{i}.png": picture(i) for n in "ab" for i in range(2)},
        compression=zipfile.ZIP_LZMA,
    )
    content = bytearray(path.read_bytes())
    content[39:44] = b"\xff" * 5
    path.write_bytes(content)
    assert ("HS101", "a/0.png") in [(f.code, f.where) for f in doctor.check(load(path)).errors]


def test_a_member_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(
        tmp_path / "z.zip",
        {f"{n}/{i}.txt": b"it came " * (9_000 if i else 1) for n in "ab" for i in range(2)},
    )
    liar = path.read_bytes().replace((72_000).to_bytes(4, "little"), (8).to_bytes(4, "little"))
    (tmp_path / "liar.zip").write_bytes(liar)
    monkeypatch.setattr(limits, "ITEM_BYTES", 50_000)
    found = {f.where: f.message for f in doctor.check(load(path)).errors if f.row is not None}
    assert found["a/1.txt"].endswith("it would unpack to 72.0 kB; up to 50.0 kB are read")
    assert {f.where for f in doctor.check(load(tmp_path / "liar.zip")).errors if f.row is not None} >= {
        "a/1.txt",
        "b/1.txt",
    }


@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz", "t.tgz", "t.tar.bz2", "t.tar.xz"])
def test_a_tar_is_read_as_a_zip_is(tmp_path: Path, name: str) -> None:
    method = {"tar": "", "tgz": "gz"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
    with tarfile.open(tmp_path / name, f"w:{method}") as out:  # type: ignore[call-overload]
        for label in "ab":
            for i in range(3):
                info = tarfile.TarInfo(f"./photos/{label}/{i}.png")
                info.size = len(picture(i))
                out.addfile(info, io.BytesIO(picture(i)))
    dataset = load(tmp_path / name)
    assert (dataset.name, dataset.task.labels, len(dataset)) == ("t", ("a", "b"), 6)
    assert [item.read() for item in dataset.items] == [picture(i) for i in range(3)] * 2


def test_a_tar_that_is_not_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as out:
        for name, kind in (
            ("../x.png", b"0"),
            ("/etc/x", b"0"),
            ("l", b"2"),
            ("h", b"1"),
            ("dev", b"3"),
            ("s" * 5000, b"0"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            out.addfile(info)
    with pytest.raises(DataError) as raised:
        load(tmp_path / "t.tar")
    told = "\n".join(raised.value.details)
    for message in ("points out of the archive", "is a link", "is neither a file nor a folder", "and 1 more"):
        assert message in told
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(bytes(100_000), mtime=0))
    monkeypatch.setattr(limits, "RATIO_FROM", 10_000)
    with pytest.raises(DataError, match="unpacks to more than"):
        load(tmp_path / "b.tar.gz")
    (tmp_path / "c.tar").write_bytes(b"x" * 2_000)
    with pytest.raises(DataError, match=r"not a \.tar archive that can be read"):
        load(tmp_path / "c.tar")


def test_data_that_point_out_of_themselves_are_noted(tmp_path: Path) -> None:
    folder, other = tmp_path / "photos", tmp_path / "other"
    for place in (folder / "a", folder / "b", other):
        place.mkdir(parents=True)
        (place / "1.png").write_bytes(picture(1))
    assert not [note for note in load(folder).notes if note.code == "HS512"]
    (folder / "b" / "2.png").symlink_to(other / "1.png")
    (folder / "b" / "3.png").symlink_to(folder / "a" / "1.png")
    assert [n.message for n in load(folder).notes if n.code == "HS512"] == [
        "links lead to 1 file outside of it, such as b/2.png"
    ]
    (folder / "t.csv").write_text(f"path,label\na/1.png,x\n../other/1.png,y\n{folder}/b/1.png,y\n")
    for data in (folder / "t.csv", folder):
        noted = [n.message for n in load(data).notes if n.code == "HS512"]
        assert any(f"1 item from outside {folder}, such as ../other/1.png" in message for message in noted)


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    for content in (
        b"",
        b"nothing like it",
        archive(tmp_path / "y.zip", {"a/1.png": b"x" * 99}).read_bytes()[:60],
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"not a \.zip archive"):
            load(path)


def test_damaged_and_locked_members_are_findings_not_crashes(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "z.zip",
        {f"{label}/{i}.png": picture(i, size=(40, 40)) for label in "ab" for i in range(3)},
    )
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF  # inside the first member: its checksum no longer fits
    path.write_bytes(bytes(content))
    report = doctor.check(load(path))
    assert [(f.code, f.where) for f in report.errors] == [("HS101", "a/0.png")]


@given(st.lists(st.text(max_size=8)))
def test_natural_order_is_an_order(names: list[str]) -> None:
    backwards = list(reversed(names))
    assert sorted(backwards, key=natural) == sorted(names, key=natural)


def test_natural_order_counts() -> None:
    assert sorted(["img10", "img9", "img1", "Img2"], key=natural) == ["Img2", "img1", "img9", "img10"]
