"""Reading what somebody else wrote, or a disk has damaged: one way for JSON, .npy and .npz.

Parsers raise far more than their manuals say: `RecursionError`, `MemoryError` for a header that lies, the own
errors of zlib and zipfile, "panics" of Rust libraries that are no `Exception`. Here all of them become
`Damaged`, whose text says what is wrong in a few words; the caller says in which file, and what to do.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headstart.core.untrusted import limits
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    import numpy as np


class Damaged(ValueError):
    """The content is not what it should be; the text says why."""


@contextmanager
def parsing() -> Iterator[None]:
    """Whatever goes wrong inside, in a parser or in a first use of what it returned, is raised as `Damaged`.

    Left alone are `HeadstartError`, Ctrl-C and the like, and an `OSError` of the system (a missing file, a
    full disk): it has a number, that of a decompressor has none.
    """
    try:
        yield
    except (Damaged, HeadstartError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        system = isinstance(error, OSError) and error.errno is not None
        if system or not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        raise Damaged(reason(error)) from None


BEGINNING = 256
"""Bytes that tell what `not_itself` finds."""


def not_itself(start: bytes) -> tuple[str, str] | None:
    """(what it is, what to do) for what often lies where a large file should; None for anything else."""
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        return "a pointer of Git LFS, not the file itself", "fetch the file itself: git lfs pull"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, not the file itself", "fetch the file itself: its address may be another"
    return None


def reason(error: BaseException) -> str:
    """What an exception of a library says, in its first line; its kind where it says nothing."""
    if isinstance(error, RecursionError):
        return "lists or records inside each other without end"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    text = str(error).strip()
    if isinstance(error, KeyError):
        return f"{text} is missing"
    return text.splitlines()[0][:300] if text else type(error).__name__


def read_json(content: bytes | str | Path, *, most: int = limits.JSON_BYTES) -> Any:
    """A JSON document, from its text or a file. Raises `Damaged`; `OSError` where the file cannot be had."""
    if isinstance(content, Path):
        with content.open("rb") as file:  # what is asked for is allocated, however little there is
            content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(content) > most:
        raise Damaged(f"it is larger than the {most:,} bytes that are read")
    with parsing():
        start = content[:BEGINNING]
        what = not_itself(start.encode(errors="replace") if isinstance(start, str) else start)
        if what is not None:
            raise Damaged(f"it is {'; '.join(what)}")
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        if depth(text) > limits.JSON_DEPTH:
            raise Damaged(f"lists or records inside each other, more than {limits.JSON_DEPTH} deep")
        return json.loads(text)


def read_object(content: bytes | str | Path, *, most: int = limits.JSON_BYTES) -> dict[str, Any]:
    """The same for a document that must be a record. Raises `Damaged`, `OSError`."""
    found = read_json(content, most=most)
    if not isinstance(found, Mapping):
        raise Damaged("it is no record {...}")
    return dict(found)


KINDS = {
    str: "a text",
    dict: "a record {...}",
    list: "a list [...]",
    int: "a whole number",
    float: "a number",
}


def field(record: Any, path: str, kind: type, *, empty: bool = False) -> Any:
    """What lies at a path of names in records inside each other, such as "answer.verdict.sentence".

    `kind` is one of `KINDS`; a whole number is a number as well, a truth value is neither. With `empty`,
    null is as good. Raises `Damaged` that says what is missing, or what is there instead.
    """
    found = record
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            raise Damaged(f"{path} is missing")
        found = found[name]
    if found is None and empty:
        return found
    allowed = (int, float) if kind is float else (kind,)
    if not isinstance(found, allowed) or isinstance(found, bool):
        raise Damaged(f"{path} is {str(found)[:40]!r}, not {KINDS[kind]}")
    return found


def depth(text: str) -> int:
    """How many lists and records lie inside each other, at most; brackets inside of strings do not count."""
    if text.count("[") + text.count("{") <= limits.JSON_DEPTH:
        return 0  # cannot be deeper than that: not counted
    deepest = level = 0
    for found in _BRACKETS.finditer(text):
        sign = found[0]
        if sign in "[{":
            level += 1
            deepest = max(deepest, level)
        elif sign in "]}":
            level -= 1
    return deepest


_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string as a whole, also one without an end; or a bracket."""


def read_npy(path: Path, *, mapped: bool = False) -> np.ndarray:
    """An array of a .npy file, `mapped` into memory or read. Raises `Damaged` also for a header that
    promises more than the file holds; `OSError` where the file cannot be had."""
    import numpy as np

    with path.open("rb") as file, parsing():
        shape, fortran, dtype = _checked_header(file, path.stat().st_size)
        order: Literal["F", "C"] = "F" if fortran else "C"
        count = math.prod(shape)
        if mapped and count:  # nothing cannot be mapped
            return np.memmap(path, dtype, "r", file.tell(), shape, order)
        return np.fromfile(file, dtype, count).reshape(shape, order=order)


def read_npz(content: bytes | Path, *, most: int = limits.ITEM_BYTES) -> dict[str, np.ndarray]:
    """All arrays of an .npz file. Raises `Damaged`; `OSError` where the file cannot be had."""
    import numpy as np

    raw = content.read_bytes() if isinstance(content, Path) else content
    if raw[:4] not in (b"PK\x03\x04", b"PK\x05\x06"):
        raise Damaged("it is no .npz archive")
    arrays = {}
    with parsing(), zipfile.ZipFile(io.BytesIO(raw)) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        if sum(sizes.values()) > most:
            raise Damaged(f"it would unpack to {sum(sizes.values()):,} bytes; {most:,} are read")
        for member, size in sizes.items():
            with archive.open(member) as file:
                shape, fortran, dtype = _checked_header(file, size)
                flat = np.frombuffer(bytearray(file.read()), dtype, math.prod(shape))  # may be written to
                arrays[member.removesuffix(".npy")] = flat.reshape(shape, order="F" if fortran else "C")
    return arrays


def npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether in Fortran's order, type) of a .npy file, behind which its values begin.

    Raises `Damaged` for a shape that is none, and what numpy raises.
    """
    import numpy as np

    start = file.tell()
    for attempt in range(_ATTEMPTS):
        file.seek(start)
        version = np.lib.format.read_magic(file)
        reader = getattr(np.lib.format, f"read_array_header_{1 if version == (1, 0) else 2}_0")
        try:
            shape, fortran, dtype = reader(file)
            break
        except SystemError:
            if attempt == _ATTEMPTS - 1:
                raise
    if any(isinstance(side, bool) or side < 0 for side in shape):
        raise Damaged(f"a shape of {shape}")
    return shape, fortran, dtype


_ATTEMPTS = 20
"""The header is a Python literal, and CPython before 3.13 counts the depth of what it parses once for all
threads: two that parse at a time may both be told of a "recursion depth mismatch" (gh-106905)."""


def _checked_header(file: Any, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The same, where the values are numbers that `size` bytes can hold; else raises `Damaged`."""
    shape, fortran, dtype = npy_header(file)
    needed = dtype.itemsize * math.prod(shape)
    if dtype.hasobject or needed > size - file.tell():
        raise Damaged(f"its header promises {needed:,} bytes of {dtype}, but it holds {size:,} in all")
    return shape, fortran, dtype


def whole(text: str) -> str:
    """The text with U+FFFD for each half of a character (a lone surrogate): those have no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
