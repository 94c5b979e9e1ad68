"""Run lengths of COCO: masks as the lengths of runs of 0 and 1 by turns, down the columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.core.untrusted import Damaged, field, limits


def decoded(given: Any) -> np.ndarray:
    """bool `[H, W]` of a record with `size` (height, width) and `counts`, a list or a packed text.

    Raises `Damaged` for what is none, and for runs that do not fill the size.
    """
    size = field(given, "size", list)
    if len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise Damaged(f"a damaged RLE: its size is {str(size)[:40]}")
    height, width = size
    if height * width > limits.PIXELS:
        raise Damaged(f"an RLE of {width} x {height} pixels, over {limits.PIXELS // 10**6} million")
    counts = given.get("counts")
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise Damaged("a damaged RLE: its counts are no lengths")
    if sum(runs) != height * width:
        raise Damaged(f"a damaged RLE: its runs have {sum(runs):,} pixels, its size {height * width:,}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """Lengths from COCO's text: five bits a sign and one that says that more follow, from the third on
    differences to the length two before."""
    runs: list[int] = []
    value = shift = 0
    for sign in text:
        code = ord(sign) - 48
        if not 0 <= code < 64 or shift > 60:
            raise Damaged(f"a damaged RLE: {sign!r} in its counts")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise Damaged("a damaged RLE: its counts end in the middle of a number")
    return runs


def around(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The box around the pixels of a mask bool `[H, W]`; of none one without an area."""
    across, down = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(across):
        return 0.0, 0.0, 0.0, 0.0
    return float(across[0]), float(down[0]), float(across[-1] + 1), float(down[-1] + 1)
