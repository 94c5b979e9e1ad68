"""Fingerprints: names made of content. SHA-256, hexadecimal, the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np


def of_bytes(data: bytes | memoryview) -> str:
    """Fingerprint of raw bytes."""
    return hashlib.sha256(data).hexdigest()


def of_json(data: Any) -> str:
    """Fingerprint of anything JSON can hold; the order of keys does not matter."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=True)
    return of_bytes(text.encode(errors="surrogatepass"))


def of_array(array: np.ndarray) -> str:
    """Fingerprint of an array's dtype, shape and values."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def of_parts(parts: Iterable[str]) -> str:
    """Fingerprint of an ordered sequence of texts; no two sequences share one."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()
