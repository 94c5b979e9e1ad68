"""Paths in the names of sources."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import parse_qsl

from headstart.errors import SourceError, near


def path_of(text: str, spec: str) -> Path:
    """The path in a spec, which need not be there. Raises `SourceError` for a text that can be no path."""
    try:
        path = Path(text).expanduser()
        path.lstat()
    except (OSError, ValueError, RuntimeError) as error:  # a folder or a user that is not there, a zero in it
        if isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG:
            return path
        raise SourceError(spec[:200], f"its path cannot be one ({error})"[:300], "correct the path") from None
    return path


def with_options(name: str, spec: str, known: Collection[str]) -> tuple[Path, dict[str, str]]:
    """The path and the options of "PATH?option=value". Raises `SourceError` for unknown options."""
    text, mark, query = name.rpartition("?")
    if not mark or ("=" not in query and path_of(name, spec).exists()):
        return path_of(name, spec), {}
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options:
        if key not in known:
            hint = near(key, known) or f"; known: {', '.join(known)}"
            raise SourceError(spec, f"it has no option {key!r}{hint}")
    return path_of(text, spec), options


def with_path(spec: str, change: Callable[[str], str]) -> str:
    """The spec with its path changed, "file:PATH?options" say; one that holds no path as it is."""
    kind, colon, where = spec.partition(":")
    if kind not in ("file", "hf", "vectors") or not colon:
        return spec
    path, mark, options = where.partition("?")
    return f"{kind}:{change(path)}{mark}{options}"
