"""The small network of sounds of our own: the contract, what ends early, and what cannot be built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.source import Source
from headstart.core.task import Task
from headstart.errors import NetError, SourceError
from headstart.export.onnx import export_onnx
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.predict.predictor import Predictor
from headstart.sources.audio import opening
from headstart.sources.audio.networks import convolutional
from headstart.sources.audio.networks.backbone import AudioBackbone
from headstart.strategies.shared._shipping import taps_model
from headstart.testing import backbone as suite

ARCHITECTURE: dict[str, Any] = {
    "library": convolutional.LIBRARY,
    "arch": convolutional.ARCH,
    "kwargs": {"channels": 16, "widths": [4, 6, 8]},
}
CONTRACT = AudioPreprocessing("whisper", mels=16, seconds=0.4, longest=1.2)


def tiny(contract: AudioPreprocessing = CONTRACT) -> AudioBackbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = opening.build(ARCHITECTURE)
        for name, value in network.named_buffers():  # as if it had been trained
            if name.endswith("running_mean"):
                value.normal_()
    source = Source("bundled/tiny", "tiny", "audio", ARCHITECTURE, input=contract)
    return opening.restore(source, network.state_dict())


def test_contract() -> None:
    backbone = tiny()
    assert backbone.cuts == ("input", "stem", "layer.1", "layer.2")
    assert [backbone.width(tap) for tap in backbone.taps()[:3]] == [2 * 4 * 8, 2 * 6 * 4, 2 * 8 * 2]
    suite.check_backbone(backbone, 2)


@pytest.mark.parametrize("length", [1, 5, 22, 40])
def test_a_recording_is_read_alike_alone_and_beside_a_longer_one(length: int) -> None:
    backbone = tiny()
    x = torch.randn(2, 17, 40, generator=torch.Generator().manual_seed(1))
    x[:, -1], x[1, -1, length:] = 1, 0
    alone = x[1:, :, :length]
    with torch.no_grad():
        for tap in backbone.taps():
            cut = next(stage.cut for stage in backbone.stages if stage.name == tap.stage)
            both, one = (backbone.pool(backbone.states(part, (cut,))[cut], tap) for part in (x, alone))
            assert torch.allclose(both[1:], one, atol=1e-5), tap


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(NetError, match="8 bands, and it reads 16"):
        tiny(AudioPreprocessing("whisper", mels=8, seconds=0.4))
    for kwargs in ({"channels": 16}, {"channels": 12, "widths": [4, 6, 8]}, {"channels": 16, "widths": [4]}):
        with pytest.raises(SourceError, match="channels and widths cannot be used"):
            opening.build({**ARCHITECTURE, "kwargs": kwargs})


@pytest.mark.slow
def test_an_exported_network_answers_alike(tmp_path: Path) -> None:
    """Part of a window, a bit more than one, and a recording that ends early."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    backbone = tiny()
    tap = backbone.taps()[-1]
    weight = np.random.default_rng(0).normal(0, 0.3, (3, backbone.width(tap)))
    made = taps_model(
        Task("classification", ("a", "b", "c"), "accuracy"), backbone, (tap,), weight, np.zeros(3)
    )
    path = export_onnx(made, tmp_path / "net.onnx", probes=suite.random_frames(backbone, 3).numpy())
    session, predictor = runtime.InferenceSession(str(path)), Predictor(made, device="cpu")
    for length in (15, CONTRACT.window + 5):
        x = np.random.default_rng(1).normal(size=(2, 17, length)).astype(np.float32)
        x[:, -1], x[1, :, length // 2 :] = 1, 0
        assert np.allclose(session.run(None, {"sound": x})[0], predictor.scores(x), atol=1e-5), length
