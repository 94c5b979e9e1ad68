"""What broke, in a few words."""

from __future__ import annotations

import errno
from pathlib import Path

from headstart.errors import HeadstartError, RunError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What the system says of a disk on which nothing more can be written."""
MORE_SPACE = "free some space and repeat the command: what is finished is kept"


def why(error: BaseException, folder: Path | None = None) -> str:
    """What broke an arm or a source, in a few words.

    Raises again what is no fault of theirs: Ctrl-C, the end of the process; as a `RunError` a disk on which
    nothing more can be written to `folder`.
    """
    # a "panic" of a library in Rust is no Exception
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
    if isinstance(error, OSError) and error.errno in FULL and folder is not None:
        raise RunError(folder, f"cannot be written ({error.strerror})", MORE_SPACE) from error
    if isinstance(error, RunError):
        raise error
    words = str(error).strip().splitlines()
    first = words[0][:300] if words else "no reason given"
    return first if isinstance(error, HeadstartError) else f"{type(error).__name__}: {first}"
