"""The simple models on rows of tables: their contract, scikit-learn's own answers, the networks they ship as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import nets, strategies
from headstart.core.dataset import Dataset
from headstart.core.strategy import Request
from headstart.core.task import Task
from headstart.data.items.entries import BytesItem
from headstart.errors import NetError
from headstart.modalities import table
from headstart.modalities.image import PLAIN
from headstart.strategies.linear._trees import fit_trees
from headstart.testing.fakes import MemoryExtractor
from headstart.testing.strategy import check_strategy
from made.rows import TASKS, request


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("name", ["linear", "trees"])
def test_contract(name: str, kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get(name), request(kind), workdir=tmp_path)


@pytest.mark.parametrize("name", ["linear", "trees"])
def test_they_learn_and_the_majority_does_not(name: str) -> None:
    asked = request("classification", 240)
    rows = asked.split.development

    def right(strategy: str) -> float:
        said = np.asarray(strategies.get(strategy).fit(asked).predictions.array)[0, rows]
        return float((said.argmax(axis=1) == asked.dataset.targets[rows]).mean())

    assert right(name) > 0.75 > right("majority")


@pytest.mark.parametrize("kind", ["two", "three", "values"])
def test_trees_are_those_of_scikit_learn_and_so_is_the_network(kind: str) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(700, 5)), 2).astype(np.float32)  # values that recur: ties at thresholds
    z = x[:, 0] * x[:, 1] + x[:, 2]
    outputs = {"two": 2, "three": 3, "values": 1}[kind]
    y = z.astype(np.float64) if kind == "values" else np.digitize(z, [0, 1][: outputs - 1])
    labels = tuple(map(str, range(outputs)))
    task = Task(
        "regression" if kind == "values" else "classification", labels, "MAE" if outputs == 1 else "accuracy"
    )
    forest = fit_trees(x[:500], y[:500], task, seed=0)
    kinds: Any = HistGradientBoostingRegressor if kind == "values" else HistGradientBoostingClassifier
    theirs = kinds(early_stopping=False, random_state=0).fit(x[:500], y[:500])
    reads = table.TablePreprocessing.of([{f"c{n}": float(v) for n, v in enumerate(row)} for row in x])
    net = nets.assemble({"kind": "trees"}, forest.tensors(), reads, task)
    with torch.inference_mode():
        ours = net(torch.from_numpy(x)).numpy()
    wanted = theirs.predict(x)[:, None] if kind == "values" else theirs.predict_proba(x)
    np.testing.assert_allclose(ours, wanted, atol=1e-6, rtol=1e-6)
    raw = theirs.predict(x) if kind == "values" else theirs.decision_function(x)
    np.testing.assert_allclose(forest.logits(x)[:, -1] if outputs < 3 else forest.logits(x), raw, atol=1e-9)


def test_trees_that_do_not_hang_together_are_refused() -> None:
    asked = request("classification")
    strategy = strategies.get("trees")
    model = strategy.refit(asked, strategy.fit(asked))
    left = model.tensors["trees.left"]
    for wrong in (left + 1e6, left * 0):  # beyond all nodes; back to the root for ever
        with pytest.raises(NetError, match="hang together"):
            nets.assemble(model.net, {**model.tensors, "trees.left": wrong}, model.input, model.task)
    with pytest.raises(NetError, match="no row"):
        nets.assemble(model.net, model.tensors, PLAIN, model.task)


def test_a_fold_learns_nothing_of_the_rows_that_it_holds_out() -> None:
    asked = request("classification")
    fold = asked.split.folds[0]
    row = int(fold.test[0])
    items = list(asked.dataset.items)
    items[row] = BytesItem(items[row].id, table.as_bytes({"age": 1e9, "town": "elsewhere"}))
    other = Dataset("rows", "table", tuple(items), asked.task, asked.dataset.targets)
    again = Request(other, asked.task, asked.split, MemoryExtractor(other))
    for name in ("linear", "trees"):
        one, two = (np.asarray(strategies.get(name).fit(r).predictions.array)[0] for r in (asked, again))
        rest = np.setdiff1d(fold.test, [row])
        np.testing.assert_array_equal(one[rest], two[rest])
