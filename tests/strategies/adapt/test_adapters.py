"""Every adapter of the registry keeps its contract, and mends what its facts say."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.strategies import adapt
from headstart.testing.adapters import check_adapter


@pytest.mark.parametrize("name", list(adapt.ADAPTERS))
def test_contract(name: str, tmp_path: Path) -> None:
    check_adapter(name, workdir=tmp_path)
