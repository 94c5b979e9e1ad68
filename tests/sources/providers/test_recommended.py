"""What is written down about recommended sources is what their libraries say."""

from __future__ import annotations

from typing import Any

import pytest

from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.sources.networks import recipes
from headstart.sources.providers import recommended, timm, torchvision
from headstart.sources.providers.recommended import TABLE, Entry


@pytest.mark.parametrize("entry", [e for e in TABLE if e.modality == "image"], ids=lambda e: e.spec)
def test_entry(entry: Entry) -> None:
    source = recommended.find(entry.spec)
    assert source is not None
    library, _, name = entry.spec.partition("/")
    real = (timm if library == "timm" else torchvision).record(entry.spec, name)
    assert source.architecture == real.architecture
    assert source.input == real.input
    assert source.licence == real.licence
    assert entry.note
    if library == "timm":
        assert entry.parameters == timm._count(name)
    else:
        assert entry.parameters == real.parameters
        assert entry.prior == real.prior
        assert recipes.torchvision_weights(name, "").url.endswith(f"/{entry.file}")


def test_smallest_first() -> None:
    for modality in ("image", "text"):
        found = [recommended.find(spec) for spec in recommended.specs(modality)]
        sizes = [source.parameters or 0 for source in found if source is not None]
        assert sizes == sorted(sizes)
        assert len(sizes) > 5


ENCODERS = {
    "hf/openai/whisper-tiny": ("whisper", {"d_model": 384, "encoder_layers": 4, "encoder_ffn_dim": 1536}),
    "hf/openai/whisper-base": ("whisper", {"d_model": 512, "encoder_layers": 6, "encoder_ffn_dim": 2048}),
    "hf/MIT/ast-finetuned-audioset-10-10-0.4593": ("audio-spectrogram-transformer", {}),
    "hf/facebook/wav2vec2-base-960h": ("wav2vec2", {}),
}
"""Those of sounds: their family, and how they differ from its own configuration."""


@pytest.mark.parametrize("spec", recommended.specs("audio"))
def test_sounds(spec: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from headstart.sources.audio import opening
    from headstart.sources.audio.networks.families import FAMILIES

    source, (arch, kwargs) = recommended.find(spec), ENCODERS[spec]
    assert source is not None
    sizes = {"encoder_attention_heads": kwargs["d_model"] // 64} if kwargs else {}
    whole = {"library": "transformers", "arch": arch, "kwargs": {**kwargs, **sizes}}
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network: Any = opening.build(opening.slim(whole))
    assert source.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert isinstance(source.input, AudioPreprocessing)
    assert not FAMILIES[arch].misfit(network.config, source.input)
