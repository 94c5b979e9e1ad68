"""The split: groups whole, rows held out once, strata even, seeds respected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.task import Task
from headstart.data.splits import make_split, unite
from headstart.errors import BadOption, DataError


def dataset(
    y, *, groups=None, split=None, kind: str = "classification", same: list[int] | None = None
) -> Dataset:
    """Items of one number each; `same` gives the content of each row, all different by default."""
    y = np.asarray(y)
    content = same if same is not None else range(len(y))
    items = tuple(ArrayItem(f"i{row}", np.array([[value]])) for row, value in enumerate(content))
    outputs = y.shape[1] if y.ndim == 2 else int(max(y.max(), 0)) + 1 if kind == "classification" else 1
    task = Task(kind, tuple(f"c{i}" for i in range(outputs)), "accuracy")
    column = None if split is None else np.array(split)
    return Dataset("toy", "image", items, task, y, None if groups is None else np.asarray(groups), column)


def held_out(split) -> np.ndarray:
    """[repeats, N]: how often each row is held out."""
    counts = np.zeros((split.repeats, len(split.groups)), dtype=int)
    for fold in split.folds:
        counts[fold.repeat, fold.test] += 1
    return counts


def no_fold_was_open(split, y: np.ndarray, row: int, repeat: int) -> bool:
    """Whether in every fold the row's group would have completed a class that no other fold has."""
    rows = split.development
    own = split.groups[rows] == split.groups[row]
    others = {c: set(rows[~own & (y[rows] == c)]) for c in set(y[rows[own]])}
    folds = [set(fold.test) for fold in split.folds if fold.repeat == repeat]
    return all(any(others[c] <= fold for c in others) for fold in folds)


def test_the_two_groups_of_a_class_are_parted() -> None:
    """Dealt by size alone, both would be held out together: a class to predict that was never shown."""
    y = np.array([0, 2, 0, 1, 0, 1, 1, 1, 0, 2, 1, 0])
    groups = np.array([1, 2, 1, 0, 1, 0, 0, 0, 0, 0, 1, 2])
    given_split = ["train"] * 8 + ["test"] + ["train"] * 3
    for seed in range(6):
        split = make_split(dataset(y, groups=groups, split=given_split), seed=seed)
        for fold in split.folds:
            assert set(y[fold.test]) <= set(y[fold.train])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_promise_at_once(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 60))
    y = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)))
    groups = np.array(data.draw(st.lists(st.integers(0, n), min_size=n, max_size=n)))
    given_split = data.draw(st.lists(st.sampled_from(["train", "val", "test", ""]), min_size=n, max_size=n))
    seed = data.draw(st.integers(0, 5))
    toy = dataset(y, groups=groups, split=given_split)
    try:
        split = make_split(toy, seed=seed)
    except DataError:
        return  # nothing to hold out; the cases are tested below
    labelled, test = y >= 0, np.array(given_split) == "test"
    assert np.array_equal(split.development, np.flatnonzero(labelled & ~test))
    assert np.array_equal(split.test, np.flatnonzero(labelled & test))
    development = set(split.development.tolist())
    for fold in split.folds:
        assert len(fold.train), "something to learn from"
        assert len(fold.test), "something to measure on"
        assert set(fold.train) | set(fold.test) == development
        assert not set(fold.train) & set(fold.test)
        assert not set(split.groups[fold.train]) & set(split.groups[fold.test]), "a group was parted"
        assert set(y[fold.test]) <= set(y[fold.train]), "a class to predict that was never shown"
    counts = held_out(split)
    sizes = {label: len(set(split.groups[(y == label) & labelled & ~test])) for label in set(y)}
    pinned = {g for row in development for g in [split.groups[row]] if sizes[y[row]] == 1}
    once = [row for row in development if split.groups[row] not in pinned]
    assert not counts[:, [row for row in development if row not in once]].any()
    assert (counts[:, once] <= 1).all()
    for repeat, place in zip(*np.nonzero(counts[:, once] == 0), strict=True):
        assert no_fold_was_open(split, y, once[place], repeat)
    again = make_split(toy, seed=seed)
    assert again.fingerprint() == split.fingerprint()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(2, 40), min_size=2, max_size=6), st.integers(0, 9))
def test_strata_within_one_without_groups(sizes: list[int], seed: int) -> None:
    y = np.repeat(np.arange(len(sizes)), sizes)
    split = make_split(dataset(y), seed=seed)
    for repeat in range(split.repeats):
        parts = [np.bincount(y[f.test], minlength=len(sizes)) for f in split.folds if f.repeat == repeat]
        spread = np.max(parts, axis=0) - np.min(parts, axis=0)
        assert spread.max() <= 1
        totals = [part.sum() for part in parts]
        assert max(totals) - min(totals) <= 1


@pytest.mark.parametrize("seed", range(6))
def test_grouped_balance_is_no_worse_than_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 40, 200)
    y = np.where(rng.random(200) < 0.7, groups % 3, rng.integers(0, 3, 200))

    def unevenness(parts: list[np.ndarray]) -> float:
        counts = np.array([np.bincount(y[p], minlength=3) for p in parts])
        return float(np.std(counts / counts.sum(0), axis=0).mean())

    ours = make_split(dataset(y, groups=groups), seed=seed)
    theirs = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(y, y, groups)
    assert unevenness([f.test for f in ours.folds[:5]]) <= unevenness([p for _, p in theirs]) + 0.01


def test_seeds_change_the_folds_and_repeats_differ() -> None:
    toy = dataset(np.arange(60) % 3)
    one, other = make_split(toy, seed=0), make_split(toy, seed=1)
    assert one.fingerprint() != other.fingerprint()
    first = {tuple(f.test) for f in one.folds if f.repeat == 0}
    assert first != {tuple(f.test) for f in one.folds if f.repeat == 1}


@pytest.mark.parametrize(("n", "repeats", "folds"), [(60, 10, 50), (299, 10, 50), (300, 3, 15), (3000, 1, 5)])
def test_how_many_folds(n: int, repeats: int, folds: int) -> None:
    split = make_split(dataset(np.arange(n) % 2))
    assert (split.repeats, len(split.folds)) == (repeats, folds)
    assert split.kind == (f"{repeats} repeats of 5 stratified folds" if repeats > 1 else "5 stratified folds")


def test_large_data_has_one_holdout() -> None:
    y = np.arange(20_000) % 10
    split = make_split(dataset(y))
    assert len(split.folds) == 1
    assert np.array_equal(np.bincount(y[split.folds[0].test]), np.full(10, 400))
    with_val = make_split(dataset(y, split=["val" if i < 500 else "train" for i in range(20_000)]))
    assert np.array_equal(with_val.folds[0].test, np.arange(500))
    assert with_val.kind == "the given validation part"


def test_holdout_by_hand() -> None:
    y = np.arange(100) % 2
    for share, size in ((0.2, 20), (0.5, 50), (0.25, 25), (0.8, 80)):
        split = make_split(dataset(y), holdout=share)
        assert [len(f.test) for f in split.folds] == [size]
    names = ["val"] * 10 + ["train"] * 90
    assert np.array_equal(make_split(dataset(y, split=names), holdout="val").folds[0].test, np.arange(10))
    for wrong in (0.0, 1.5, "test"):
        with pytest.raises(BadOption):
            make_split(dataset(y), holdout=wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no labelled val part"):
        make_split(dataset(y), holdout="val")


def test_training_rows_in_a_group_of_the_validation_part_are_left_out() -> None:
    split = make_split(
        dataset([0, 1] * 5, groups=[0, 1, 0, 2, 3, 4, 5, 6, 7, 8], split=["val"] + ["train"] * 9),
        holdout="val",
    )
    assert 2 not in split.folds[0].train


def test_duplicates_users_groups_and_near_duplicates_are_united() -> None:
    toy = dataset([0] * 6, groups=[0, 1, 2, 3, 4, 4], same=[7, 7, 1, 2, 3, 4])
    assert unite(toy).tolist() == [0, 0, 1, 2, 3, 3]
    assert unite(toy, np.array([5, 6, 6, 7, 8, 9])).tolist() == [0, 0, 0, 1, 2, 2]
    with pytest.raises(BadOption, match="one for each of the 6 items"):
        unite(toy, np.array([1, 2]))


def test_few_items_lower_the_folds_but_a_rare_class_does_not() -> None:
    assert make_split(dataset([0] * 3 + [1] * 3)).kind == "10 repeats of 3 stratified folds"
    assert make_split(dataset([0, 0, 1, 1])).kind == "10 repeats of 2 stratified folds"
    assert make_split(dataset([0] * 50 + [1] * 50 + [2] * 2)).kind == "10 repeats of 5 stratified folds"


def test_one_item_classes_always_train() -> None:
    split = make_split(dataset([0] * 10 + [1] * 10 + [2]))
    assert all(20 in fold.train for fold in split.folds)


def test_what_cannot_be_split_is_said() -> None:
    with pytest.raises(DataError, match="single group"):
        make_split(dataset([0, 0, 1, 1], groups=[0, 0, 1, 1]))
    with pytest.raises(DataError, match="single group"):
        make_split(dataset(np.arange(5)))
    with pytest.raises(DataError, match="no labelled items outside the test part"):
        make_split(dataset([0, 1], split=["test", "test"]))


def test_regression_is_stratified_over_its_range() -> None:
    y = np.random.default_rng(0).permutation(100).astype(float)
    split = make_split(dataset(y, kind="regression"))
    assert all(abs(np.median(y[f.test]) - 49.5) < 12 for f in split.folds)
    assert (held_out(split) == 1).all()
    few = make_split(dataset(np.array([1.0, 2.0, np.nan, 3.0]), kind="regression"))
    assert few.development.tolist() == [0, 1, 3]


def test_labels_of_a_multilabel_task_are_spread() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((150, 4)) < [0.5, 0.3, 0.1, 0.07]).astype(np.float32)
    split = make_split(dataset(y, kind="multilabel"))
    parts = np.array([y[f.test].sum(0) for f in split.folds[:5]])
    assert (parts.max(0) - parts.min(0) <= 2).all()
    assert (held_out(split) == 1).all()


def test_two_thousand_classes_are_quick() -> None:
    split = make_split(dataset(np.arange(10_000) % 2000))
    assert len(split.folds) == 5
    assert all(
        (np.bincount(np.arange(10_000)[f.test] % 2000, minlength=2000) == 1).all() for f in split.folds
    )
