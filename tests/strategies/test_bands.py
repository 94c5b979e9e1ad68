"""The simple model on raw sound: its contract, its numbers, the network it is shipped as; and stored lengths."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.special import softmax

from headstart import nets, strategies
from headstart.core.strategy import Request
from headstart.errors import NetError
from headstart.modalities import audio
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.modalities.image import PLAIN
from headstart.nets.bands import statistics
from headstart.strategies.gradient._design import length_of
from headstart.testing.fakes import MemoryExtractor, folds
from headstart.testing.strategy import check_strategy
from sounds import labelled

KINDS = ["classification", "multilabel", "regression"]


def request(kind: str = "classification", per_class: int = 8) -> Request:
    data = labelled(kind, per_class)
    assert data.task is not None
    return Request(data, data.task, folds(data, parts=3, test=0.2), MemoryExtractor(data))


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get("bands"), request(kind), workdir=tmp_path)


def test_it_tells_tones_apart() -> None:
    asked = request(per_class=12)
    trial = strategies.get("bands").fit(asked)
    rows = asked.split.development
    right = np.asarray(trial.predictions.array)[0, rows].argmax(axis=1) == np.asarray(
        asked.dataset.targets[rows]
    )
    assert right.mean() > 0.9


def by_hand(values: np.ndarray) -> np.ndarray:
    """float64 `[4 * bands]` of one recording `[bands, T]`."""
    changes = np.diff(values, axis=1)
    return np.concatenate([part for x in (values, changes) for part in (x.mean(axis=1), x.std(axis=1))])


def test_the_network_computes_the_linear_model() -> None:
    asked = request()
    strategy = strategies.get("bands")
    model = strategy.refit(asked, strategy.fit(asked))
    prepared = [audio.prepare(item.read(), model.input) for item in asked.dataset.items]
    features = np.array([by_hand(item[:-1].astype(np.float64)) for item in prepared])
    t = model.tensors
    z = (features - t["bands.mean"]) / t["bands.sd"] @ t["head.weight"].T + t["head.bias"]
    net = nets.assemble(model.net, model.tensors, model.input, model.task)
    found = net(torch.from_numpy(audio.collate(prepared))).numpy()
    assert np.abs(found - softmax(z, axis=1)).max() < 1e-4


def test_statistics_are_of_what_the_mask_shows() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 5, 30)).astype(np.float32)
    mask = np.ones((2, 1, 30), np.float32)
    mask[1, :, 12:] = 0
    found = statistics(torch.from_numpy(np.concatenate([values, mask], axis=1))).numpy()
    assert np.allclose(found[0], by_hand(values[0]), atol=1e-5)
    assert np.allclose(found[1], by_hand(values[1, :, :12]), atol=1e-5)
    one = statistics(torch.from_numpy(np.concatenate([values, mask], axis=1)[:, :, :1])).numpy()
    assert np.allclose(one[:, 5:], 0, atol=1e-5)


def test_a_recipe_that_does_not_fit() -> None:
    asked = request()
    strategy = strategies.get("bands")
    model = strategy.refit(asked, strategy.fit(asked))
    with pytest.raises(NetError, match="no recording"):
        nets.assemble(model.net, model.tensors, PLAIN, model.task)
    with pytest.raises(NetError, match="unknown fields: side"):
        nets.assemble({**model.net, "side": 3}, model.tensors, model.input, model.task)
    with pytest.raises(NetError, match=r"'bands.mean' of shape \[160\] instead of \[80\]"):
        nets.assemble(model.net, model.tensors, AudioPreprocessing("whisper", mels=20), model.task)


@pytest.mark.parametrize(("recipe", "frames", "states"), [("wave", 4000, 501), ("mel", 32, 5)])
def test_states_are_stored_at_the_length_that_the_network_gives_them(
    recipe: str, frames: int, states: int
) -> None:
    contract = AudioPreprocessing(recipe, rate=8000, longest=2.0)
    asked = [0]

    def give(x: torch.Tensor, cuts: tuple[str, ...]) -> dict[str, torch.Tensor]:
        asked[0] += 1
        return {cuts[0]: torch.zeros(1, x.shape[-1] // 8 + 1, 9)}

    backbone: Any = SimpleNamespace(
        source=SimpleNamespace(input=contract), cuts=("input", "layer"), digest=f"fake {recipe}",
        normalise=lambda x: x, states=give,
    )  # fmt: skip
    data = labelled()
    request = cast(Any, SimpleNamespace(network=backbone, dataset=data))
    assert length_of(request) == length_of(request, "input") == frames
    assert asked == [0]
    assert [length_of(request, "layer") for _ in range(2)] == [states, states]
    assert asked == [1]
