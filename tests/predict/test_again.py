"""The test part is answered by what is stored only where the whole network says the same of items read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.core.dataset import Item
from headstart.core.model import Model
from headstart.data.items.entries import BadItem
from headstart.errors import ExportMismatch
from headstart.export import bundle
from headstart.predict import again as rereading
from headstart.predict.predictor import predict
from headstart.run.conclude import probes
from headstart.testing.fakes import shapes
from made.models import tiny_model, tiny_task
from warm import prove_here


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(shapes("classification", per_class=10).items)


def answers(model: Model, items: list[Item]) -> np.ndarray:
    return np.stack([row.scores for row in predict(model, items).rows])


def test_some_items_are_read_again_and_agree(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "READ_AGAIN", 7)
    model = tiny_model("taps")
    again, unread = rereading.read_again(model, items, answers(model, items) + np.float32(0.004))
    assert again is not None
    assert len(again.inputs) == len(again.outputs) == 7
    assert again.worst == pytest.approx(0.004, abs=1e-5)
    assert again.to_json() == {"read_again": 7, "worst": again.worst, "allowed": rereading.ALLOWED}
    assert unread == ""


def test_one_that_disagrees_has_all_of_them_read(items: list[Item]) -> None:
    model = tiny_model("taps")
    said = answers(model, items)
    said[-1] += np.float32([0.03, -0.03, 0.0])
    assert rereading.read_again(model, items, said)[0] is None
    said[-1] = np.nan
    assert rereading.read_again(model, items, said)[0] is None


def test_one_that_cannot_be_read_has_all_of_them_read(items: list[Item]) -> None:
    model = tiny_model("taps")
    said = answers(model, items)
    assert rereading.read_again(model, [BadItem("gone", "it is gone"), *items[1:]], said)[0] is None


def test_numbers_are_measured_by_the_range_of_their_answers(items: list[Item]) -> None:
    model = tiny_model("taps", tiny_task("regression"))
    said = answers(model, items)
    reach = np.ptp(said)
    near, far = (rereading.read_again(model, items, said + share * reach)[0] for share in (0.01, 0.03))
    assert near is not None
    assert near.allowed == pytest.approx(0.02 * reach, rel=0.01)
    assert far is None


def test_the_proof_asks_the_saved_copy_and_keeps_nothing(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove_here(monkeypatch)
    model = tiny_model("taps")
    again, _ = rereading.read_again(model, items, answers(model, items))
    assert again is not None
    made_up = probes(model, pairs=False)
    path = bundle.save(model, tmp_path / "model", probes=made_up, again=again)
    assert sorted(file.name for file in path.iterdir()) == [
        "bundle.json",
        "model.safetensors",
        "probes.safetensors",
    ]
    assert len(bundle.read(path).inputs) == len(made_up)
    moved = replace(again, outputs=again.outputs[:, ::-1])
    with pytest.raises(ExportMismatch, match=r"allowed 0\.02"):
        bundle.save(model, tmp_path / "other", probes=made_up, again=moved)
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
