"""Folders of small files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from .files import Write, picture


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files under a folder: path -> seed of a picture, text, or bytes. Gives the folder."""

    def make(files: Mapping[str, int | str | bytes], root: str = "photos") -> Path:
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = picture(content) if isinstance(content, int) else content
            target.write_bytes(data.encode() if isinstance(data, str) else data)
        return folder

    return make
