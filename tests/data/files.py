"""Small image files on disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Write = Callable[..., Path]


def picture(seed: int, form: str = "PNG", size: tuple[int, int] = (12, 10), **options) -> bytes:
    """The bytes of a small random image; equal seeds give equal bytes."""
    array = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def zipped(folder: Path, archive: Path, prefix: str = "") -> Path:
    """The folder as an archive."""
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(folder.rglob("*")):
            out.write(path, prefix + path.relative_to(folder).as_posix())
    return archive


def two_classes(count: int = 3, level: str = "") -> dict[str, int]:
    """Class folders a and b."""
    prefix = f"{level}/" if level else ""
    start = sum(map(ord, level))
    return {
        f"{prefix}{label}/{i}.png": 1000 * start + 100 * k + i
        for k, label in enumerate("ab")
        for i in range(count)
    }
