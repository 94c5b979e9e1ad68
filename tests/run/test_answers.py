"""A source that hurts: what the run does about it, from the data to the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.core.strategy import Settings
from headstart.data import load
from headstart.modalities.image import prepare
from headstart.nets import assemble
from headstart.run import conclude, fit
from headstart.run.state.config import RunConfig


def masks(n: int = 160) -> object:
    """Noise, plus or minus one random pattern of signs: every pixel tells a little, no shape tells anything."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    sign = rng.choice([-1.0, 1.0], size=(16, 16, 1))
    images = 128 + 40 * rng.normal(size=(n, 16, 16, 3)) + 4 * (2 * y - 1)[:, None, None, None] * sign
    return load(images.clip(0, 255).astype(np.uint8), labels=[("minus", "plus")[c] for c in y], name="masks")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> fit.Result:
    ask = RunConfig(
        masks(),
        sources=("bundled/strokes", "bundled/textures"),
        budget=300.0,
        out=tmp_path_factory.mktemp("answers") / "run",
        settings=Settings(epochs=1, augment="none"),
        strategies=("probe", "scratch", "early-probe", "finetune-slow", "stack"),
    )
    with fit.fit(ask) as (_, found, _):
        assert found is not None
    return found


@pytest.mark.slow
def test_harm_is_answered_reported_and_not_shipped(result: fit.Result) -> None:
    answer = result.answer
    assert answer.verdict.outcome == "hurts", answer.verdict.sentence
    assert answer.verdict.sentence.startswith("Transfer hurts: ")
    assert answer.winner == "pixels"
    assert [entry["arm"].split(": ")[-1] for entry in answer.response] == [
        "early-probe", "finetune-slow", "scratch", "stack",
    ]  # fmt: skip
    assert result.record["answer"]["response"] == answer.response
    notes = result.record["answer"]["verdict"]["notes"]
    assert any(note.startswith("Because it hurt, these were tried, but pixels is shipped") for note in notes)


@pytest.mark.slow
def test_a_stack_ships_as_one_network(result: fit.Result) -> None:
    trials = result.trials
    model = conclude.trained_on_all(result.networks, trials["stack"], trials)
    pixels = np.stack([prepare(item.read(), model.input) for item in result.experiment.dataset.items[:12]])
    net = assemble(model.net, model.tensors, model.input, model.task)
    found = net(torch.from_numpy(pixels)).numpy()
    parts = []
    for number, member in enumerate(model.net["members"]):
        own = {k.split(".", 1)[1]: v for k, v in model.tensors.items() if k.startswith(f"{number}.")}
        parts.append(assemble(member, own, model.input, model.task)(torch.from_numpy(pixels)).numpy())
    weight = model.net["weights"][0]
    np.testing.assert_allclose(found, weight * parts[0] + (1 - weight) * parts[1], atol=1e-5)
    assert trials["stack"].choices["members"][1].endswith(": scratch")
