"""Archives that must not be read."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core import limits
from headstart.data import load
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
    from headstart.data import doctor

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
