"""Files appear whole or not at all, and what goes wrong is told of the file that was meant."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from headstart.core.files import left_over, open_atomic, write_atomic, write_json
from headstart.core.untrusted import read_object


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_names_the_path_that_was_asked_for(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(code, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as told:
        write_atomic(tmp_path / "x.csv", b"text")
    assert told.value.filename == str(tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_does_not_show_the_temporary_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        write_atomic(tmp_path / "gone" / "x.csv", b"")
    assert told.value.filename == str(tmp_path / "gone" / "x.csv")


def test_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told, open_atomic(tmp_path / "x.csv"):
        (tmp_path / "other").read_bytes()
    assert told.value.filename == str(tmp_path / "other")


def test_what_a_killed_process_left_is_known_by_its_name(tmp_path: Path) -> None:
    for name in (".fold-0001.npz.0a1b2c3d.tmp", ".model.k2_x9qzw.tmp", "mine.tmp", ".hidden.tmp", ".a.b.tmp"):
        (tmp_path / name).touch()
    assert sorted(path.name for path in left_over(tmp_path)) == [
        ".fold-0001.npz.0a1b2c3d.tmp",
        ".model.k2_x9qzw.tmp",
    ]


def test_a_number_that_is_not_finite_is_null(tmp_path: Path) -> None:
    """JSON has no word for it: browsers, jq and data frames refuse a file with NaN in it."""
    content = {
        "a": math.nan,
        "b": [(-math.inf, 1.5), np.array([[np.nan, 2.0]], np.float32)],
        "c": MappingProxyType({"d": np.float64("inf"), "e": np.int64(3), "f": tmp_path}),
    }
    write_json(tmp_path / "x.json", content)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    found = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"), parse_constant=refuse)
    expected = {"d": None, "e": 3, "f": str(tmp_path)}
    assert found == {"a": None, "b": [[None, 1.5], [[None, 2.0]]], "c": expected}
    (tmp_path / "old.json").write_text('{"a": NaN}')
    assert math.isnan(read_object(tmp_path / "old.json")["a"])
