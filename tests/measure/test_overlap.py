"""Overlap measures against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from headstart.measure import overlap


@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn_has_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(0, 5, (2, 40, 30)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    truth[truth == 3] = said[said == 3] = 2  # a class that is neither there nor said
    use = truth != 255
    found = overlap.counts(truth, said, 5)
    present = [0, 1, 2, 4]
    for ours, theirs in ((overlap.ious, jaccard_score), (overlap.dices, f1_score)):
        expected = theirs(truth[use], said[use], labels=present, average=None)
        np.testing.assert_allclose(ours(found)[present], expected, atol=1e-9)
        assert np.isnan(ours(found)[3])
