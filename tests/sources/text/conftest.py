"""Tiny models of types that are not among the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from made import pretrained


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes one from its type and its configuration; gives the folder."""

    def made(kind: str, fields: Mapping[str, Any]) -> Path:
        monkeypatch.setattr(pretrained, "FAMILIES", {**pretrained.FAMILIES, kind: (kind, fields)})
        return pretrained.write_model(tmp_path / kind, kind)

    return made
