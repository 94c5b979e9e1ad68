from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from headstart.measure.shift.columns import column_auc, words_apart


def test_numbers_are_told_apart_by_their_order() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=60), rng.normal(0.8, size=50)
    area = roc_auc_score(np.repeat([0, 1], [60, 50]), np.r_[one, two])
    assert column_auc(one.tolist(), two.tolist()) == pytest.approx(area)
    assert column_auc(two.tolist(), one.tolist()) == pytest.approx(area)


def test_categories_and_one_width_among_many() -> None:
    assert column_auc(["JPEG"] * 30, ["PNG"] * 30) == 1.0
    assert column_auc(["JPEG"] * 30, [None] * 30) == 1.0
    assert column_auc(["JPEG"] * 30, ["JPEG"] * 30) == 0.5
    rng = np.random.default_rng(0)
    assert column_auc([500] * 50, rng.integers(200, 900, 50).tolist()) > 0.97  # lower and higher


def test_what_differs_by_chance_does_not_tell() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 400, (20, 2, 80)).astype(str).tolist()
    found = [column_auc(one, two) for one, two in drawn]
    assert max(found) < 0.7


def test_words_that_differ_are_found_with_their_ratio() -> None:
    rng = np.random.default_rng(0)
    common = [f"w{i}" for i in range(200)]

    def text(extra: str, share: float) -> list[str]:
        return [*rng.choice(common, 20), *([extra] if rng.random() < share else [])]

    found = words_apart([text("read", 0.5) for _ in range(300)], [text("read", 0.05) for _ in range(300)])
    assert [one.word for one in found] == ["read"]
    assert found[0].ratio == pytest.approx(0.1, rel=0.5)
    assert found[0].z < -4
    assert found[0].source == pytest.approx(0.5, abs=0.1)
    assert words_apart([["a", "a"]], [["b"]]) == []
