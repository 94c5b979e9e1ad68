"""Writing files so that a reader sees all of them or none, whatever happens in between."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

LEFT_OVER = re.compile(r"\..+\.\w{8}\.tmp")
"""Names of what is being written."""


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` beside `path` and move it there; on any failure `path` is as it was.

    Raises `OSError` (a full disk, a folder that may not be written) and leaves nothing behind.
    """
    with open_atomic(path) as file:
        file.write(data)


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """The same for content that comes piece by piece: the file appears when the block ends well."""
    # not tempfile: its files may be read by their owner only, whatever the user's umask says
    temporary = path.with_name(f".{path.name[:100]}.{os.urandom(4).hex()}.tmp")
    written = False
    try:
        with temporary.open("xb") as file:
            yield file
            written = True
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        ours = written or (isinstance(error, OSError) and error.filename in (None, str(temporary)))
        if isinstance(error, OSError) and error.errno is not None and ours:
            # a full disk has no name, and nobody knows the temporary one
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def left_over(folder: Path) -> Iterator[Path]:
    """What `open_atomic` and `export.files.staging` left in a folder when their process was killed."""
    return (path for path in folder.glob(".*.tmp") if LEFT_OVER.fullmatch(path.name))


def write_json(path: Path, data: Any) -> None:
    """Write JSON a person can read, atomically; see `plain`."""
    text = json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, (text + "\n").encode())


def plain(value: Any) -> Any:
    """As JSON knows it: no numpy, no paths, and null for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
