"""Reading members of archives from many threads."""

from __future__ import annotations

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headstart.core.dataset import ZipItem
from headstart.core.untrusted import archive


def write(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in content.items():
            out.writestr(name, data)
    return path


def test_many_threads_read_one_archive(tmp_path: Path) -> None:
    content = {f"{i}.bin": os.urandom(5_000) for i in range(200)}
    path = write(tmp_path / "a.zip", content)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: ZipItem(name, path, name).read(), [*content] * 3))
    assert found == [*content.values()] * 3


def test_a_changed_archive_is_opened_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"x": b"one"})
    assert archive.read_member(path, "x") == b"one"
    write(tmp_path / "b.zip", {"x": b"other"}).replace(path)
    assert archive.read_member(path, "x") == b"other"


def test_more_archives_than_are_kept_open(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.zip", {"x": str(i).encode()}) for i in range(9)]
    for _ in range(2):
        assert [archive.read_member(path, "x") for path in paths] == [str(i).encode() for i in range(9)]


def test_everything_wrong_is_an_oserror(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"x": b"abc" * 500})
    with pytest.raises(OSError, match=r"y in .*a\.zip"):
        archive.read_member(path, "y")
    with pytest.raises(OSError, match="No such file"):
        archive.read_member(tmp_path / "b.zip", "x")
    (tmp_path / "c.zip").write_bytes(b"nothing")
    with pytest.raises(OSError, match="not a zip file"):
        archive.read_member(tmp_path / "c.zip", "x")
    damaged = bytearray(path.read_bytes())
    damaged[35:45] = b"\xff" * 10
    (tmp_path / "d.zip").write_bytes(bytes(damaged))
    with pytest.raises(OSError, match=r"x in .*d\.zip"):
        archive.read_member(tmp_path / "d.zip", "x")
