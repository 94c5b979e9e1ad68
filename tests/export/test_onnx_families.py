"""The ONNX proof on real architectures, made short and narrow, with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import narrow
from headstart.export.onnx import export_onnx
from made.models import INPUT, tiny_images, tiny_model

pytest.importorskip("onnxruntime")
SIDE = 64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "arch", "kwargs"),
    [
        ("timm", "mobilenetv2_100", {"depth_multiplier": 0.3}),
        ("timm", "convnext_atto", {"depths": [1, 1, 1, 1]}),
        ("timm", "vit_tiny_patch16_224", {"img_size": SIDE, "depth": 2}),
        ("torchvision", "squeezenet1_0", {}),
        ("torchvision", "swin_t", {}),
    ],
)
def test_families(tmp_path: Path, library: str, arch: str, kwargs: dict[str, Any]) -> None:
    architecture = {"library": library, "arch": arch, "kwargs": kwargs, "num_classes": 7}
    input = replace(INPUT, size=(SIDE, SIDE))
    with narrow.narrowed():
        model = tiny_model("taps", architecture=architecture, input=input, temperature=1.3)
        # `export_onnx` compares with the model itself, in several batch sizes, and refuses on mismatch
        path = export_onnx(model, tmp_path / "model.onnx", probes=tiny_images(3, side=SIDE))
    assert path.stat().st_size > 100_000
