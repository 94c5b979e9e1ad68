"""Sources of sounds are learnt with as those of texts are: from taps, from stored states, from the first frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import headstart as hs
from headstart import modalities, strategies
from headstart.core.features import FeatureSpec
from headstart.core.masked import STATES, of_inputs
from headstart.core.source import Source
from headstart.core.strategy import Request, Settings
from headstart.export.onnx import export_onnx
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.passes.extractor import StoreExtractor
from headstart.predict.predictor import Predictor
from headstart.sources.audio import opening
from headstart.sources.audio.networks.backbone import AudioBackbone, wrap
from headstart.store.store import FeatureStore
from headstart.testing.fakes import folds
from headstart.train.trim import trimmed
from sounds import folder

pytest.importorskip("transformers")
QUICK = Settings(epochs=2, views=0)
CONTRACT = AudioPreprocessing("whisper", mels=16, seconds=0.4, longest=0.6)
"""Windows shorter than most of the sounds, which last 0.3 to 0.5 seconds."""
ARCHITECTURE: dict[str, Any] = {
    "library": "transformers",
    "arch": "whisper",
    "kwargs": {
        "d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
        "num_mel_bins": 16, "max_source_positions": 20, "decoder_layers": 0, "vocab_size": 1,
        "max_target_positions": 1, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
        "decoder_start_token_id": 0,
    },
}  # fmt: skip


def tiny() -> AudioBackbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = opening.build(ARCHITECTURE)
    source = Source("hf/tiny", "tiny", "audio", ARCHITECTURE, input=CONTRACT)
    return wrap(network, source, rebuild=lambda: opening.build(ARCHITECTURE))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Request:
    where = tmp_path_factory.mktemp("sounds")
    dataset = hs.load(folder(where / "tones", 8))
    assert dataset.task is not None
    extractor = StoreExtractor(FeatureStore(where / "store"), dataset, workers=1)
    return Request(dataset, dataset.task, folds(dataset, parts=3), extractor, backbone=tiny(), settings=QUICK)


@pytest.mark.parametrize("name", ["probe", "random-frozen", "finetune", "full", "lora", "bitfit", "scratch"])
def test_strategies(name: str, asked: Request) -> None:
    if name in ("lora", "bitfit"):
        pytest.importorskip("peft")
    assert asked.backbone is not None
    before = asked.backbone.digest
    strategy = strategies.get(name)
    trial = strategy.fit(asked)
    assert trial.status == "done", trial.reason
    held = trial.predictions.array[0]
    assert np.isfinite(held).all()
    assert np.allclose(held.sum(axis=1), 1, atol=1e-5)
    if name in ("probe", "random-frozen"):  # the pitch can be read of any spectrogram
        assert np.mean(held.argmax(axis=1) == asked.dataset.y) > 0.9
    model = strategy.refit(asked, trial)
    assert model.net["kind"] == "taps"
    assert asked.backbone.digest == before
    now = asked.backbone.module.state_dict()
    assert all(torch.equal(now[key], value) for key, value in tiny().module.state_dict().items())


def test_training_from_states_equals_training_from_frames(asked: Request) -> None:
    """What is stored behind the stem, cut to the recording and run on, is what the whole network gives."""
    backbone = asked.backbone
    assert backbone is not None
    spec = FeatureSpec(cut="stem", length=30, inputs=60)
    features = asked.features(backbone, spec)
    rows = np.array([0, 4])
    stored = torch.from_numpy(np.array(features.state()[rows]))
    frames = torch.from_numpy(np.array(features.inputs()[rows]))
    assert stored.shape == (2, 30, 17)
    assert frames.shape == (2, 17, 60)
    short = trimmed(stored, STATES)
    assert short.shape[1] < 30
    with torch.inference_mode():
        one = backbone.tail("stem")(short.float())
        two = backbone.full(backbone.normalise(trimmed(frames, of_inputs(backbone.source.input))))
        pooled = [backbone.pool(state, backbone.embedding) for state in (one, two)]
    assert torch.allclose(*pooled, atol=2e-2)


@pytest.mark.slow
def test_a_run_is_shipped_and_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder of sounds and a folder of Hugging Face to a bundle that is opened again."""
    import transformers

    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    place = folder(tmp_path / "tones", 10)
    root = tmp_path / "whisper"
    kwargs = {
        **ARCHITECTURE["kwargs"],
        "max_source_positions": 50,
        "decoder_attention_heads": 2,
        "vocab_size": 4,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.WhisperModel(transformers.WhisperConfig(**kwargs)).save_pretrained(str(root))
    transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=1).save_pretrained(str(root))
    run = hs.fit(
        place, sources=[f"hf:{root}"], strategies=["majority", "probe", "finetune"], epochs=2,
        out=tmp_path / "run", budget="2min",
    )  # fmt: skip
    rows = {row["arm"]: row for row in run.leaderboard()}
    assert rows["whisper: probe"]["score"] > 0.9
    assert rows["whisper: finetune"]["status"] == "done"
    files = sorted(place.rglob("*.wav"))[:3]
    assert run.model.predict(files).answers == [file.parent.name for file in files]


@pytest.mark.slow
def test_an_exported_network_reads_recordings_of_any_length(asked: Request, tmp_path: Path) -> None:
    """Shorter than a window of 40 frames, as long, and longer, in batches of different lengths."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    strategy = strategies.get("finetune")
    model = strategy.refit(asked, strategy.fit(asked))
    probes = modalities.get("audio").dummy_batch(model.input, 3)
    path = export_onnx(model, tmp_path / "net.onnx", probes=probes)
    session, predictor = runtime.InferenceSession(str(path)), Predictor(model, device="cpu")
    rng = np.random.default_rng(0)
    for length in (2, 39, 40, 41, 60):
        x = rng.normal(size=(2, 17, length)).astype(np.float32)
        x[:, -1], x[1, :, length // 2 :] = 1, 0
        # noise is far from what was learnt: logits of tens, in single precision
        assert np.allclose(session.run(None, {"sound": x})[0], predictor.scores(x), atol=1e-4), length
