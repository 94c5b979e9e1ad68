"""Folders of Hugging Face with an encoder of sounds: what they say, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart import sources
from headstart.errors import SourceError
from headstart.modalities.audio.preprocessing import audio_input
from headstart.sources.audio.networks.families import FAMILIES
from headstart.sources.audio.opening import OWN
from headstart.sources.providers import _folders

from .folders import write_model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for family in ("whisper", "wav2vec2", "ast"):
        write_model(root / family, family)
    return root


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written / "whisper", tmp_path / "whisper"))


def changed(path: Path, **fields: Any) -> None:
    said = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))


def test_every_family_is_found_by_its_model_type() -> None:
    named = {kind for kind, room in _folders.ROOMS.items() if room == _folders.SOUNDS}
    assert named == FAMILIES.keys() - OWN.keys()


def test_records(written: Path) -> None:
    """Nothing but JSON and the head of the weights is read for them."""
    found = {name: sources.find(f"hf:{written / name}") for name in ("whisper", "wav2vec2", "ast")}
    assert {source.modality for source in found.values()} == {"audio"}
    assert all(source.local and (source.parameters or 0) > 1000 for source in found.values())
    contracts = {name: audio_input(source) for name, source in found.items()}
    assert [contracts[name].recipe for name in found] == ["whisper", "wave-unit", "ast"]
    assert [contracts[name].window for name in found] == [100, 480_000, 64]
    assert (contracts["ast"].pooling, contracts["ast"].mean) == ("cls", -4.2677393)
    assert sources.find(f"file:{written / 'ast'}").input == contracts["ast"]


def test_the_decoder_is_left_where_it_is(root: Path) -> None:
    backbone = sources.load(f"hf:{root}")
    assert not any("decoder" in name for name in backbone.module.state_dict())
    assert backbone.source.parameters == sum(p.numel() for p in backbone.module.parameters())


def test_settings_may_lie_with_the_processor(root: Path) -> None:
    own = sources.find(f"hf:{root}").input
    said = json.loads((root / "preprocessor_config.json").read_text())
    (root / "processor_config.json").write_text(json.dumps({"feature_extractor": said}))
    (root / "preprocessor_config.json").unlink()
    assert sources.find(f"hf:{root}").input == own


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("preprocessor_config.json", {"sampling_rate": 10**9}, "a rate of 1000000000"),
        ("preprocessor_config.json", {"sampling_rate": "fast"}, "sampling_rate"),
        ("preprocessor_config.json", {"hop_length": 0}, "hop_length is 0"),
        ("preprocessor_config.json", {"hop_length": True}, "hop_length"),
        ("preprocessor_config.json", {"feature_size": 10**6}, "bands from"),
        ("preprocessor_config.json", {"chunk_length": 10**6}, "seconds"),
        ("preprocessor_config.json", {"chunk_length": 2}, "windows of 200 frames, and it reads 100"),
        ("preprocessor_config.json", {"feature_size": 9}, "with 9 bands, and it reads 8"),
        ("config.json", {"num_mel_bins": 9}, "weights do not fit"),
        ("config.json", {"encoder_layers": 10**6}, "1,000,000"),
        ("config.json", {"d_model": "wide"}, "configuration"),
        ("config.json", {"quantization_config": {"bits": 4}}, "quantised"),
    ],
)
def test_what_is_refused(name: str, fields: dict[str, Any], said: str, root: Path) -> None:
    changed(root / name, **fields)
    with pytest.raises(SourceError, match=said):
        sources.load(f"hf:{root}")


def test_what_is_missing(root: Path) -> None:
    kept = (root / "preprocessor_config.json").read_bytes()
    (root / "preprocessor_config.json").unlink()
    with pytest.raises(SourceError, match=r"no preprocessor_config\.json"):
        sources.load(f"hf:{root}")
    (root / "preprocessor_config.json").write_bytes(kept)
    torch.save({"a": torch.zeros(2)}, root / "pytorch_model.bin")
    (root / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"read from \.safetensors alone"):
        sources.load(f"hf:{root}")


def test_weights_of_another_model(root: Path, written: Path) -> None:
    shutil.copy(written / "ast" / "model.safetensors", root / "model.safetensors")
    with pytest.raises(SourceError, match="weights do not fit its configuration"):
        sources.load(f"hf:{root}")
