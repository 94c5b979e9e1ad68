"""How many inputs, and which: the options are in tests/conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .mutate import Family, check


@pytest.fixture
def check_family(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Family], None]:
    """Tries a family as the options of pytest say."""

    def run(family: Family) -> None:
        count, seed, only = (request.config.getoption(f"--fuzz{name}") for name in ("", "-seed", "-only"))
        numbers = list(range(count + 1))
        if only:
            name, _, number = only.rpartition(":")
            if name != family.name:
                pytest.skip(f"only {only}")
            numbers = [int(number)]
        check(family, tmp_path, numbers, seed)

    return run
