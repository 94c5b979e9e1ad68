"""What damaged files raise: one exception, whatever the parser raised."""

from __future__ import annotations

import errno
import io
import lzma
from pathlib import Path

import numpy as np
import pytest

from headstart.core.untrusted import (
    Damaged,
    depth,
    limits,
    npy_header,
    parsing,
    read_json,
    read_npy,
    read_npz,
    read_object,
)
from headstart.errors import DataError


class PanicException(BaseException):
    """As pyo3 names what a Rust library throws."""


@pytest.mark.parametrize(
    "error",
    [ValueError("a\nb"), KeyError("name"), RecursionError(), MemoryError(), PanicException("lost"), AssertionError(),
     lzma.LZMAError("corrupt"), OSError("Invalid data stream"), OverflowError("inf"), AttributeError("x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_a_parser_raises_is_damaged(error: BaseException) -> None:
    with pytest.raises(Damaged) as caught, parsing():
        raise error
    assert str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), DataError("x", "y"), OSError(errno.ENOSPC, "No space left")]
)
def test_what_is_no_damage_is_left_alone(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, parsing():
        raise error
    assert caught.value is error


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": [1, "[[["]}')
    assert read_json(file) == read_object(file) == {"a": [1, "[[["]}
    for content in (b"[" * 3000 + b"]" * 3000, b"\xff", b"", b"{", "[1"):
        with pytest.raises(Damaged):
            read_json(content)
    with pytest.raises(Damaged, match="record"):
        read_object("[1]")
    with pytest.raises(Damaged, match="larger"):
        read_json("[1, 2, 3]", most=4)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


def test_depth_counts_no_brackets_in_strings() -> None:
    many = limits.JSON_DEPTH + 1
    assert depth('"' + "[" * many + '"') == 0
    assert depth('"\\"' + "[" * many + '"' + "[" * 2 + "]]") == 2
    assert depth("[" * many + "]" * many) == many
    assert depth("[],".join("[" for _ in range(many))) >= 1


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(path, array)
    assert np.array_equal(read_npy(path), array)
    assert np.array_equal(read_npy(path, mapped=True), array)
    raw = path.read_bytes()
    for old, new in (
        (b"(2, 3)", b"(9999999999, 3)"),
        (b"(2, 3)", b"(-1, 6)"),
        (b"(2, 3)", b"(True, 6)"),
        (b"<f4", b"|O "),
    ):
        path.write_bytes(raw.replace(old, new))
        for mapped in (False, True):
            with pytest.raises(Damaged):
                read_npy(path, mapped=mapped)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, one=array, two=np.zeros(3))
    assert set(read_npz(buffer.getvalue())) == {"one", "two"}
    for cut in (10, 60, 200):
        with pytest.raises(Damaged):
            read_npz(buffer.getvalue()[:cut])
    damaged = bytearray(buffer.getvalue())
    damaged[60:70] = b"\x00" * 10
    with pytest.raises(Damaged):
        read_npz(bytes(damaged))
    with pytest.raises(Damaged, match="unpack"):
        read_npz(buffer.getvalue(), most=10)


def test_a_header_is_read_again_where_python_confused_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython before 3.13 counts how deep a literal is for all threads at once (gh-106905)."""
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 3), np.int64))
    stream.seek(0)
    read, calls = np.lib.format.read_array_header_1_0, []

    def confused(file: io.BytesIO) -> object:
        calls.append(1)
        found = read(file)
        if len(calls) < 3:
            raise SystemError("AST constructor recursion depth mismatch (before=45, after=42)")
        return found

    monkeypatch.setattr(np.lib.format, "read_array_header_1_0", confused)
    assert npy_header(stream) == ((2, 3), False, np.dtype(np.int64))
    assert stream.tell() == len(stream.getvalue()) - 6 * 8
