"""Random numbers of augmented views."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(key: str, view: int, kind: str) -> np.random.Generator:
    """Random numbers that depend on nothing but these three."""
    digest = hashlib.sha256(f"{key}\0{view}\0{kind}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
