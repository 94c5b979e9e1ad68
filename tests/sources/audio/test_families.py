"""Every family of sound encoders keeps the Backbone contract, and computes what `transformers` itself does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import modalities, sources
from headstart.core.task import Task
from headstart.export.onnx import export_onnx
from headstart.modalities.audio.decoding._decode import Recording
from headstart.modalities.audio.preprocessing import AudioPreprocessing, audio_input
from headstart.predict.predictor import Predictor
from headstart.sources.audio import opening
from headstart.sources.audio.networks.backbone import AudioBackbone
from headstart.strategies.shared._shipping import taps_model
from headstart.testing import backbone as suite

from .folders import FAMILIES, write_model

pytest.importorskip("transformers")
LAYERS = 3
RATE = 16_000


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return {}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(family: str, written: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(folder, network of transformers, its feature extractor)"""
    if family not in written:
        root = tmp_path_factory.mktemp(family)
        written[family] = (root, *write_model(root, family))
    return written[family]


def short(backbone: AudioBackbone) -> AudioBackbone:
    """The same weights with windows of samples that are short enough for a test."""
    contract = audio_input(backbone.source)
    if contract.waves:
        contract = replace(contract, seconds=0.05, longest=0.2)
    state = {name: tensor.numpy() for name, tensor in backbone.module.state_dict().items()}
    found = sources.from_state(backbone.source.architecture, contract, state)
    assert isinstance(found, AudioBackbone)
    return found


def test_contract(model: Any) -> None:
    backbone = sources.load(f"hf:{model[0]}")
    assert isinstance(backbone, AudioBackbone)
    assert backbone.source.modality == "audio"
    assert backbone.cuts == ("input", "stem", *(f"layer.{n + 1}" for n in range(LAYERS)))
    assert [tap.grid for tap in backbone.taps()][: LAYERS + 1] == ["mean-max"] * (LAYERS + 1)
    suite.check_backbone(short(backbone), 3)


def wave(seconds: float) -> np.ndarray:
    """float32: noise that swells."""
    rng = np.random.default_rng(0)
    count = round(seconds * RATE)
    return (rng.normal(0, 0.1, count) * np.linspace(0.2, 1, count)).astype(np.float32)


def encoder_of(network: Any, family: str) -> Any:
    """The part of a model of transformers that reads the sound."""
    names = {"whisper": "encoder", "wav2vec2": "wav2vec2", "ast": "audio_spectrogram_transformer"}
    return getattr(network, names[family]) if family in names else network


def test_states_are_those_of_transformers(model: Any, family: str) -> None:
    """On what its own feature extractor makes of a recording, silence that fills it up and all."""
    root, network, extractor = model
    backbone = sources.load(f"hf:{root}")
    found = extractor(wave(0.3), sampling_rate=RATE, return_tensors="pt")
    given = next(iter(found.values()))
    values = given.transpose(1, 2) if family == "ast" else given.reshape(1, -1, given.shape[-1])
    x = torch.cat([values, torch.ones_like(values[:, :1])], 1)
    with torch.no_grad():
        expected = encoder_of(network, family)(given, output_hidden_states=True)
    states = backbone.states(backbone.normalise(x), backbone.cuts[1:])
    whole = backbone.full(x)
    hidden = [*expected.hidden_states[:-1], expected.last_hidden_state]
    assert len(hidden) == len(states) == LAYERS + 1
    for (cut, state), wanted in zip(states.items(), hidden, strict=True):
        ours = bands_first(state[..., :-1], family)
        assert torch.allclose(ours, wanted, atol=2e-5), cut
        assert bool((state[..., -1] == 1).all())
    assert torch.allclose(bands_first(whole[..., :-1], family), hidden[-1], atol=2e-5)
    if family == "ast":
        pooled = backbone.pool(whole, backbone.embedding)
        assert torch.allclose(pooled, expected.pooler_output, atol=2e-5)


def bands_first(states: torch.Tensor, family: str) -> torch.Tensor:
    """AST's patches stand band after band in transformers, moment after moment here."""
    if family != "ast":
        return states
    bands = (24 - 8) // 5 + 1
    patches = states[:, 2:].reshape(len(states), -1, bands, states.shape[-1]).transpose(1, 2).flatten(1, 2)
    return torch.cat([states[:, :2], patches], 1)


def test_what_we_prepare_is_what_it_would_be_given(model: Any, family: str) -> None:
    root, network, extractor = model
    backbone = sources.load(f"hf:{root}")
    contract = audio_input(backbone.source)
    seconds = {"whisper": 1.0, "ast": 63.01 * 0.01 + 0.015}.get(family, 0.25)  # windows that are full
    sound = wave(seconds)
    prepared = modalities.get("audio").prepare(Recording(sound, RATE, seconds), contract)
    with torch.no_grad():
        given = next(iter(extractor(sound, sampling_rate=RATE, return_tensors="pt").values()))
        expected = encoder_of(network, family)(given).last_hidden_state
        found = backbone.full(torch.from_numpy(prepared)[None])[..., :-1]
    assert torch.allclose(bands_first(found, family), expected, atol=1e-3)


def test_a_recording_that_ends_costs_no_silence(model: Any) -> None:
    """States are as many as the recording needs: of a third of a window about a third."""
    backbone = short(sources.load(f"hf:{model[0]}"))
    contract = audio_input(backbone.source)
    whole, part = (
        backbone.full(torch.ones(1, contract.channels, size)).shape[1]
        for size in (contract.window, contract.window // 3)
    )
    assert part < 0.4 * whole


def test_long_recordings_are_read_window_by_window(model: Any) -> None:
    backbone = short(sources.load(f"hf:{model[0]}"))
    contract = audio_input(backbone.source)
    x = suite.random_frames(backbone, 1)
    assert x.shape[-1] > contract.window
    first, rest = x[..., : contract.window], x[..., contract.window :]
    cuts = backbone.cuts[1:]
    together = backbone.states(x, cuts)
    for cut in cuts:
        parts = torch.cat([backbone.states(part, (cut,))[cut] for part in (first, rest)], 1)
        assert torch.allclose(together[cut], parts, atol=1e-5), cut
    one = backbone.pool(together[cuts[-1]], backbone.taps()[-1])
    assert one.isfinite().all()


def test_a_window_without_a_recording_is_nothing(model: Any) -> None:
    """The second window of a batch in which only another recording is as long."""
    backbone = short(sources.load(f"hf:{model[0]}"))
    x = suite.random_frames(backbone, 2)  # the second ends in the first window
    assert backbone.full(x).isfinite().all()


def test_a_network_and_its_preparation_must_fit(model: Any, family: str) -> None:
    backbone = sources.load(f"hf:{model[0]}")
    contract = audio_input(backbone.source)
    other: AudioPreprocessing = replace(contract, recipe="mel")
    with pytest.raises(Exception, match="are prepared as 'mel'"):
        opening.restore(replace(backbone.source, input=other), backbone.module.state_dict())
    if not contract.waves:
        with pytest.raises(Exception, match="windows of"):
            opening.restore(
                replace(backbone.source, input=replace(contract, seconds=2.0)), backbone.module.state_dict()
            )


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["whisper", "ast", "wavlm-stable", "wav2vec2"], indirect=True
)  # of each kind one
def test_an_exported_network_answers_alike(model: Any, tmp_path: Path) -> None:
    """Whatever the length: part of a window, a whole one, a bit more, several."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    backbone = short(sources.load(f"hf:{model[0]}"))
    contract, tap = audio_input(backbone.source), backbone.taps()[-1]
    weight = np.random.default_rng(0).normal(0, 0.3, (3, backbone.width(tap)))
    task = Task("classification", ("a", "b", "c"), "accuracy")
    made = taps_model(task, backbone, (tap,), weight, np.zeros(3))
    path = export_onnx(made, tmp_path / "net.onnx", probes=suite.random_frames(backbone, 3).numpy())
    session, predictor = runtime.InferenceSession(str(path)), Predictor(made, device="cpu")
    for length in (contract.window // 3, contract.window, contract.window + 5, 2 * contract.window):
        x = np.random.default_rng(1).normal(size=(2, contract.channels, length)).astype(np.float32)
        x[:, -1], x[1, :, length // 2 :] = 1, 0
        assert np.allclose(session.run(None, {"sound": x})[0], predictor.scores(x), atol=1e-5), length
