"""How much the store may hold, and where it lies."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from headstart.errors import BadOption

ROOT = "HEADSTART_CACHE"
CAP = "HEADSTART_CACHE_CAP"

LARGEST = 20_000_000_000
"""Bytes the store holds at most when nobody says otherwise."""
SHARE = 0.2
"""Of the disk space that is free or the store's own; the smaller of the two limits counts."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_bytes(text: str) -> int:
    """ "20GB", "1.5 TB", "500 mb" or a bare number of bytes -> bytes. Raises `BadOption`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = _UNITS.get(match[2].upper().replace("IB", "B")) if match else None
    if match is None or unit is None:
        raise BadOption(CAP, text, "a size such as 500MB or 20GB")
    return int(float(match[1]) * unit)


def default_root() -> Path:
    """The folder named by HEADSTART_CACHE, else the user's cache folder. Nothing is created."""
    if os.environ.get(ROOT):
        return Path(os.environ[ROOT]).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("headstart", appauthor=False)


def make_root(root: Path) -> None:
    """Make the store's folder where there is none. In the user's cache folder it is the user's alone (0700);
    whoever names another with HEADSTART_CACHE may share it, so there the umask decides. Raises `OSError`."""
    private = not os.environ.get(ROOT) and root == default_root()
    root.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)


def default_cap(root: Path, held: int) -> int:
    """Bytes the store at `root` may hold, when it holds `held` now. Raises `BadOption`."""
    if os.environ.get(CAP):
        return parse_bytes(os.environ[CAP])
    free = free_bytes(root)
    return LARGEST if free is None else min(LARGEST, int(SHARE * (free + held)))


def free_bytes(root: Path) -> int | None:
    """Free space where `root` is or would be; None where that cannot be told."""
    for folder in (root, *root.absolute().parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return None
