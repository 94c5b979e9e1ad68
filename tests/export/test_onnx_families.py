"""The ONNX proof on real architectures, with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.export.onnx import export_onnx
from headstart.testing.models import INPUT, tiny_images, tiny_model

pytest.importorskip("onnxruntime")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "arch", "side"),
    [
        ("timm", "mobilenetv2_100", 64),
        ("timm", "convnext_atto", 64),
        ("timm", "vit_tiny_patch16_224", 224),
        ("torchvision", "squeezenet1_0", 64),
        ("torchvision", "swin_t", 64),
    ],
)
def test_families(tmp_path: Path, library: str, arch: str, side: int) -> None:
    architecture = {"library": library, "arch": arch, "kwargs": {}, "num_classes": 7}
    input = replace(INPUT, size=(side, side))
    model = tiny_model("taps", architecture=architecture, input=input, temperature=1.3)
    # `export_onnx` compares with the model itself, in several batch sizes, and refuses on mismatch
    path = export_onnx(model, tmp_path / "model.onnx", probes=tiny_images(3, side=side))
    assert path.stat().st_size > 1_000_000
