"""Tiny encoders of sounds as folders of Hugging Face, with random weights, written by `transformers` itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from headstart.sources.text.networks import transformer

WAVES: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": (8, 8, 8), "conv_kernel": (10, 3, 3), "conv_stride": (5, 2, 2), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "vocab_size": 12,
}  # fmt: skip
STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
FAMILIES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "whisper": (
        "Whisper", "Model",
        {"d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
         "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "vocab_size": 20,
         "num_mel_bins": 8, "max_source_positions": 50, "max_target_positions": 8, "pad_token_id": 0,
         "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
        {"feature_size": 8, "chunk_length": 1},
    ),
    "wav2vec2": ("Wav2Vec2", "ForCTC", WAVES, {}),
    "wav2vec2-stable": ("Wav2Vec2", "Model", {**WAVES, **STABLE}, {"do_normalize": False}),
    "hubert": ("Hubert", "Model", {**WAVES, "feat_proj_layer_norm": False}, {}),
    "wavlm": ("WavLM", "Model", {**WAVES, "num_buckets": 16, "max_bucket_distance": 40}, {}),
    "wavlm-stable": ("WavLM", "Model", {**WAVES, **STABLE, "num_buckets": 16, "max_bucket_distance": 40}, {}),
    "ast": (
        "AST", "ForAudioClassification",
        {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
         "max_length": 64, "num_mel_bins": 24, "patch_size": 8, "frequency_stride": 5, "time_stride": 5},
        {"num_mel_bins": 24, "max_length": 64},
    ),
}  # fmt: skip
"""Name -> (prefix and ending of its class, fields of its config.json, those of its preprocessor_config.json)."""
EXTRACTORS = {"whisper": "WhisperFeatureExtractor", "ast": "ASTFeatureExtractor"}


def write_model(root: Path, family: str) -> tuple[Any, Any]:
    """The network and the feature extractor of `transformers` that were written into the folder."""
    import transformers

    name, ending, config, settings = FAMILIES[family]
    kind = getattr(transformers, f"{name}Config")(**config)
    with transformer.quietly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = getattr(transformers, f"{name}{ending}")(kind)
        for parameter in network.parameters():  # positions and class tokens begin as zeros
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
        network.eval().save_pretrained(str(root))
        extractor = getattr(transformers, EXTRACTORS.get(family, "Wav2Vec2FeatureExtractor"))(**settings)
        extractor.save_pretrained(str(root))
    return network, extractor
