from __future__ import annotations

import numpy as np

from headstart.core.split import Split
from headstart.measure import partition


def test_a_blind_sample_takes_whole_groups() -> None:
    rows = np.arange(100)
    split = Split(rows, rows[:0], (), rows // 4, 0, "")
    found = partition.blind_sample(split, 20, seed=0)
    assert len(found) == 20
    assert set(np.bincount(found // 4)) == {0, 4}
