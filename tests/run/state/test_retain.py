"""What may be asked to be retained: items that nothing is learnt from, of the same task, and enough of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import headstart as hs
from headstart.core.task import Task
from headstart.errors import BadOption, DataError
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig
from headstart.testing.texts import sentences


def table(path: Path, count: int, *, seed: int = 0, label: str = "label") -> Path:
    dataset = sentences(per_class=count, seed=seed)
    assert dataset.task is not None
    lines = [f"text,{label}"]
    for item, y in zip(dataset.items, dataset.targets[:].tolist(), strict=True):
        lines.append(f"{item.read().decode()},{dataset.task.labels[y]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def asked(data: Path, retain: Path) -> object:
    config, dataset = RunConfig.of(str(data), {"retain": str(retain)}), hs.load(data)
    assert dataset.task is not None
    return resolve.retained(config, dataset, dataset.task)


def test_items_of_the_same_task_are_read_as_the_data_are(tmp_path: Path) -> None:
    found = asked(table(tmp_path / "data.csv", 10), table(tmp_path / "other.csv", 8, seed=5))
    assert found is not None
    assert found.origin == str(tmp_path / "other.csv")  # type: ignore[attr-defined]


def test_what_tells_nothing_is_refused(tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", 10)
    with pytest.raises(DataError, match=r"it are in .*data.csv, too; give items that nothing is learnt from"):
        asked(data, table(tmp_path / "same.csv", 10))
    with pytest.raises(DataError, match="labelled items tell nothing; give 10 or more"):
        asked(data, table(tmp_path / "few.csv", 2, seed=5))
    (tmp_path / "unknown.csv").write_text(
        "text,label\n" + "\n".join(f"words {n},else" for n in range(12)) + "\n"
    )
    with pytest.raises(DataError, match="does not know 1 of its labels: 'else'"):
        asked(data, tmp_path / "unknown.csv")
    (tmp_path / "numbers.csv").write_text(
        "text,price\n" + "\n".join(f"words {n},{n}.5" for n in range(12)) + "\n"
    )
    with pytest.raises(DataError):
        asked(data, tmp_path / "numbers.csv")


def test_a_metric_without_points_has_no_bound(tmp_path: Path) -> None:
    config = RunConfig.of(str(table(tmp_path / "data.csv", 10)), {"retain": "other.csv"})
    prices = replace(
        hs.load(tmp_path / "data.csv"), task=Task("regression", ("price",), "MAE", higher_is_better=False)
    )
    assert prices.task is not None
    with pytest.raises(BadOption, match="MAE is no share"):
        resolve.retained(config, prices, prices.task)
