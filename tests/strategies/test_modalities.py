from __future__ import annotations

import pytest

from headstart import modalities, strategies
from headstart.plan import policy


@pytest.mark.parametrize("name", strategies.WHERE)
def test_the_plan_knows_what_each_strategy_knows(name: str) -> None:
    found = {kind for kind in modalities.MODALITIES if name in policy.strategies_of(kind)}
    assert found == set(strategies.get(name).modalities)
