"""Near-duplicates in features."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from headstart.core.dataset import ArrayItem, Dataset
from headstart.data.checks import duplicates
from headstart.data.checks.duplicates import (
    chance_level,
    duplicate_groups,
    near_duplicates,
    near_findings,
    parted_pairs,
    whitened,
)


def features(n: int, seed: int = 0, width: int = 64) -> np.ndarray:
    """Positive, correlated features as a rectifier gives them: plain cosines are all high."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, width)) * np.geomspace(3, 0.3, width)
    return np.maximum(latent @ rng.normal(size=(width, width)) / 8 + 4, 0)


def copies(x: np.ndarray, rows: list[int], noise: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.concatenate([x, x[rows] + noise * x.std() * rng.normal(size=(len(rows), x.shape[1]))])


def items(n: int, split=None) -> Dataset:
    made = tuple(ArrayItem(f"i{k}", np.array([[k % 256]], dtype=np.uint8)) for k in range(n))
    return Dataset("toy", "image", made, split=None if split is None else np.array(split))


@pytest.mark.parametrize("n", [30, 100, 400, 1500])
def test_unrelated_items_are_not_duplicates(n: int) -> None:
    for seed in range(3):
        assert near_duplicates(features(n, seed)) == []


@pytest.mark.parametrize("block", [64, 1024])
def test_copies_are_found_whatever_the_block(block: int) -> None:
    x = copies(features(400), [3, 77, 200])
    pairs = near_duplicates(x, block=block)
    assert {(i, j) for i, j, _ in pairs} == {(3, 400), (77, 401), (200, 402)}
    assert all(0.9 < c <= 1.0001 for _, _, c in pairs)
    assert [c for *_, c in pairs] == sorted((c for *_, c in pairs), reverse=True)


def test_scale_and_offset_do_not_matter() -> None:
    x = copies(features(300), [5])
    assert [p[:2] for p in near_duplicates(1000 * x + 7)] == [p[:2] for p in near_duplicates(x)] == [(5, 300)]


def test_more_features_than_items() -> None:
    x = np.hstack([features(200, 1), features(200, 2), features(200, 3), features(200, 4)])
    x = copies(x, [9])
    assert [p[:2] for p in near_duplicates(x)] == [(9, 200)]
    assert np.allclose(np.linalg.norm(whitened(x), axis=1), 1, atol=1e-5)


def test_degenerate_features() -> None:
    assert near_duplicates(np.zeros((50, 8))) == []
    assert near_duplicates(np.ones((1, 8))) == []
    assert near_duplicates(np.ones((0, 8))) == []
    x = features(100)
    x[3, 2] = np.nan
    near_duplicates(x.astype(np.float16))


def test_small_sets_need_more() -> None:
    assert chance_level(40, 10) > 0.99
    assert chance_level(400, 100) < 0.75
    rng = np.random.default_rng(0)
    n, width = 200, 40
    worst = []
    for _ in range(20):
        x = rng.normal(size=(n, width // 2))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        cosine = x @ x.T - 2 * np.eye(n)
        worst.append(cosine.max())
    assert max(worst) < chance_level(n, width)


def test_groups_follow_pairs_but_do_not_swallow_everything() -> None:
    assert duplicate_groups(items(5), [(0, 2, 0.9), (2, 4, 0.8)]).tolist() == [0, 1, 0, 2, 0]
    chain = [(i, i + 1, 0.89 - i / 1000) for i in range(99)]
    sizes = np.bincount(duplicate_groups(items(100), chain))
    assert sizes.max() == 10
    assert np.bincount(duplicate_groups(items(100), chain, most=100)).max() == 100


def test_sure_copies_stay_together_however_many() -> None:
    sure = [(i, i + 1, 0.99 - i / 1000) for i in range(39)]
    unsure = [(i, i + 1, 0.85) for i in range(40, 79)]
    groups = duplicate_groups(items(100), [*sure, (39, 40, 0.89), *unsure])
    assert len(set(groups[:40].tolist())) == 1
    assert groups[39] != groups[40]
    assert np.bincount(groups[40:])[groups[40:]].max() == 10
    assert parted_pairs(sure, groups) == 0
    assert parted_pairs([*sure, (39, 40, 0.89), *unsure], groups) == 1 + 3
    assert parted_pairs([], groups) == 0


def test_memory_of_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    x = copies(features(2998), [3, 77])
    monkeypatch.setattr(duplicates, "_CELLS", 3000 * 20)
    tracemalloc.start()
    found = near_duplicates(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {p[:2] for p in found} == {(3, 2998), (77, 2999)}
    assert peak < 3000 * 1024 * 4  # what a block of 1024 rows alone would take


def test_the_features_are_not_copied_whole() -> None:
    x = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    tracemalloc.start()
    whitened(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6.5 * x.nbytes  # 8 bytes a number for the scores twice, and blocks: no float64 copy of x


def test_very_large_sets_are_not_searched() -> None:
    assert duplicates.can_search(duplicates.MOST_ITEMS)
    assert not duplicates.can_search(duplicates.MOST_ITEMS + 1)


def test_findings_name_both_sides() -> None:
    dataset = items(4, ["train", "train", "test", "train"])
    found = near_findings(dataset, [(0, 2, 0.91), (1, 3, 0.8)])
    assert [(f.code, f.where, f.row) for f in found] == [("HS402", "i2", 2), ("HS405", "i3", 3)]
    assert "looks like i0 (similarity 0.91)" in found[0].message
    assert duplicates.near_duplicates is near_duplicates


@pytest.mark.shared
def test_known_copies_among_real_photos(shared) -> None:
    """Mean colours of a grid are features enough for plain copies."""
    from headstart.data import load
    from headstart.modalities.image import pixels

    dataset = load(shared / "data" / "hymenoptera").subset(np.arange(150))
    x = np.array([pixels(item.read(), 12).reshape(-1) / 255 for item in dataset.items])
    pairs = near_duplicates(np.concatenate([x, np.clip(x[[4, 90]] * 0.97 + 0.01, 0, 1)]))
    assert {p[:2] for p in pairs} == {(4, 150), (90, 151)}
