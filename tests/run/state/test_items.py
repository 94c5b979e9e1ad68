from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from headstart.errors import RunError
from headstart.run.state import items


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_what_is_written_is_read(make_run: Any, kind: str) -> None:
    made = make_run(kind=kind)
    dataset, split = made.context.dataset, made.context.split
    found = items.read(made.folder, made.context.task)
    assert found.ids == tuple(item.id for item in dataset.items)
    assert found.digests == dataset.digests()
    np.testing.assert_array_equal(found.targets.array, dataset.y)
    np.testing.assert_array_equal(np.flatnonzero(found.part == "test"), split.test)
    np.testing.assert_array_equal(np.flatnonzero(found.part == "development"), split.development)
    np.testing.assert_array_equal(found.groups, split.groups)
    assert len(found.folds()) == len(split.folds)
    for ours, theirs in zip(found.folds(), split.folds, strict=True):
        assert ours.repeat == theirs.repeat
        np.testing.assert_array_equal(ours.test, theirs.test)
        np.testing.assert_array_equal(ours.train, theirs.train)
    table = pl.read_parquet(made.folder / "items.parquet")
    kinds = {"classification": pl.Int64, "multilabel": pl.List(pl.Float64), "regression": pl.Float64}
    assert table.schema["y"] == kinds[kind]
    assert table.columns == ["row", "id", "digest", "part", "group", "y", "fold"]


def test_items_without_a_label(make_run: Any) -> None:
    def change(dataset: Any, split: Any) -> Any:
        y = dataset.y.copy()
        y[split.test] = -1
        return replace(dataset, targets=y), replace(split, test=np.zeros(0, np.int64))

    made = make_run(change=change)
    found = items.read(made.folder, made.context.task)
    assert set(found.part) == {"development", "unlabelled"}
    assert (found.targets.known == (found.part != "unlabelled")).all()


def test_a_file_that_is_not_there_or_damaged(make_run: Any) -> None:
    made = make_run()
    folder, task = made.folder, made.context.task
    (folder / "items.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(RunError, match=r"items.parquet is damaged"):
        items.read(folder, task)
    (folder / "items.parquet").unlink()
    with pytest.raises(RunError, match="older Headstart"):
        items.read(folder, task)
