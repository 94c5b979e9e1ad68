"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import headstart  # noqa: F401 - before torch: it says how torch's threads wait


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real data and weights beside the checkout; skips where there is none."""
    path = Path(os.environ.get("HEADSTART_SHARED", Path(__file__).parents[2] / "shared"))
    if not (path / "weights" / "imagenet").is_dir():
        pytest.skip("no real data and weights beside the checkout (set HEADSTART_SHARED)")
    return path
