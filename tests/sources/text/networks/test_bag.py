"""What all texts have in common, of few columns or many."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.sources.text.networks import bag


def test_the_common_direction_is_found_in_parts_and_without_a_square_matrix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors = (0.1 + np.random.default_rng(0).normal(size=(300, 40))).astype(np.float32)
    weights = bag.weights(300) * np.sqrt(bag.probabilities(300))
    expected = np.linalg.svd(vectors * weights[:, None])[2][0]
    expected *= np.sign(expected[np.abs(expected).argmax()])
    for wide, cells in ((1_024, 4_000_000), (1_024, 800), (8, 800)):
        monkeypatch.setattr(bag, "WIDE", wide)
        monkeypatch.setattr(bag, "CELLS", cells)
        np.testing.assert_allclose(bag.common_direction(vectors), expected, atol=1e-6)
