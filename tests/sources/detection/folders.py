"""Tiny detectors of `transformers` with random weights, saved as the library saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

LABELS = ("disc", "moon", "bars")
DETR = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 12,
}  # fmt: skip
RT = {
    "encoder_hidden_dim": 16, "d_model": 16, "num_queries": 12, "decoder_layers": 2, "encoder_layers": 1,
    "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_in_channels": [16, 24, 32], "decoder_in_channels": [16, 16, 16], "feat_strides": [8, 16, 32],
    "num_denoising": 0, "hidden_expansion": 0.5, "decoder_n_points": 2,
}  # fmt: skip


def _resnet(kind: str, out: list[str]) -> Any:
    return getattr(transformers, kind)(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=out,
    )


def _hgnet() -> Any:
    return transformers.HGNetV2Config(
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 8, 16, 24],
        stage_mid_channels=[4, 8, 8, 8],
        stage_out_channels=[8, 16, 24, 32],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        embedding_size=8,
        out_features=["stage2", "stage3", "stage4"],
    )


def _config(kind: str) -> Any:
    names: Any = {"id2label": dict(enumerate(LABELS)), "label2id": {n: i for i, n in enumerate(LABELS)}}
    later = ["stage2", "stage3", "stage4"]
    if kind == "detr":
        return transformers.DetrConfig(backbone_config=_resnet("ResNetConfig", ["stage4"]), **DETR, **names)
    if kind == "detr-timm":
        trunk = transformers.TimmBackboneConfig(backbone="resnet10t", out_indices=[1, 2, 3, 4])
        return transformers.DetrConfig(backbone_config=trunk, **DETR, **names)
    if kind == "conditional_detr":
        trunk = _resnet("ResNetConfig", ["stage4"])
        return transformers.ConditionalDetrConfig(backbone_config=trunk, **DETR, **names)
    if kind == "deformable_detr":
        trunk = _resnet("ResNetConfig", later)
        return transformers.DeformableDetrConfig(
            backbone_config=trunk, **{**DETR, "d_model": 32, "decoder_layers": 2}, **names
        )
    if kind == "d_fine":
        return transformers.DFineConfig(backbone_config=_hgnet(), **RT, **names)
    if kind == "rf_detr":
        trunk = transformers.models.rf_detr.configuration_rf_detr.RfDetrDinov2Config(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=96, patch_size=16, num_windows=2,
            out_features=["stage2", "stage4"],
        )  # fmt: skip
        return transformers.RfDetrConfig(
            backbone_config=trunk, d_model=16, num_queries=12, decoder_layers=2, decoder_ffn_dim=16, group_detr=1,
            decoder_self_attention_heads=2, decoder_cross_attention_heads=2, decoder_n_points=2, **names,
        )  # fmt: skip
    config = transformers.RTDetrConfig if kind == "rt_detr" else transformers.RTDetrV2Config
    return config(backbone_config=_resnet("RTDetrResNetConfig", later), **RT, **names)


KINDS = (
    "detr",
    "detr-timm",
    "conditional_detr",
    "deformable_detr",
    "rt_detr",
    "rt_detr_v2",
    "d_fine",
    "rf_detr",
)


def write(folder: Path, kind: str) -> tuple[Any, Any]:
    """(the network, its image processor), both also in the folder."""
    torch.manual_seed(0)
    network = transformers.AutoModelForObjectDetection.from_config(_config(kind)).eval()
    for layer in network.modules():  # random weights alone say much the same everywhere
        if type(layer).__name__.endswith("BatchNorm2d"):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    if kind == "rf_detr":
        processor = transformers.RfDetrImageProcessor(size={"height": 96, "width": 96})
    elif "rt" in kind or kind == "d_fine":
        processor = transformers.RTDetrImageProcessor(size={"height": 96, "width": 96})
    else:
        family = {"conditional_detr": "ConditionalDetr", "deformable_detr": "DeformableDetr"}.get(
            kind, "Detr"
        )
        size = {"shortest_edge": 96, "longest_edge": 128}
        processor = getattr(transformers, f"{family}ImageProcessor")(size=size)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return network, processor
