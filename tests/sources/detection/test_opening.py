"""Detectors of transformers: whole as the library has them, and their trunks as sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from headstart import sources
from headstart.errors import SourceError
from headstart.testing.backbone import check_backbone
from sources.detection import folders


def theirs(network: Any, processor: Any, pixels: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """The library's own answers, boxes in 0 to 1."""
    with torch.inference_mode():
        out = network(**processor(images=list(pixels), return_tensors="pt"))
    found: list[dict[str, torch.Tensor]] = processor.post_process_object_detection(
        out, threshold=0.0, target_sizes=[(1, 1)] * len(pixels)
    )
    return found


@pytest.mark.parametrize("kind", folders.KINDS)
def test_it_finds_what_the_library_finds(kind: str, tmp_path: Path) -> None:
    network, processor = folders.write(tmp_path, kind)
    record = sources.find(f"hf:{tmp_path}")
    assert (record.form, record.modality, record.labels, record.local) == (
        "boxes",
        "image",
        folders.LABELS,
        True,
    )
    backbone: Any = sources.load(record)
    pixels = torch.randint(
        0, 256, (2, 3, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    state = {name: value.numpy() for name, value in backbone.detector.state_dict().items()}
    again = sources.detector(json.loads(json.dumps(dict(backbone.source.architecture))), state)
    for detector in (backbone.detector, again):
        with torch.inference_mode():
            ours = sources.boxes_of(detector, pixels)
        for found, wanted in zip(ours, theirs(network, processor, pixels), strict=True):
            best = wanted["scores"].argsort(descending=True, stable=True)
            assert len(best) >= 12
            for name in ("scores", "labels", "boxes"):
                torch.testing.assert_close(found[name], wanted[name][best], rtol=0, atol=0)
    x = backbone.normalise(pixels)
    encoder = network.model.backbone
    trunk = (encoder.model if hasattr(encoder, "model") else encoder.backbone)(x)
    last = (trunk if isinstance(trunk, list) else trunk.feature_maps)[-1]
    with torch.inference_mode():
        torch.testing.assert_close(backbone.full(x), last, rtol=1e-4, atol=1e-4)
    assert len(sources.mapped(backbone, (96, 128)).taps()) >= (2 if kind == "rf_detr" else 4)


@pytest.mark.parametrize("kind", ["rt_detr", "rf_detr"])
def test_a_trunk_passes_the_conformance_suite(kind: str, tmp_path: Path) -> None:
    folders.write(tmp_path, kind)
    backbone: Any = sources.load(f"hf:{tmp_path}")
    check_backbone(backbone, rebuild=False)  # its digest is that of the whole detector
    again = sources.from_state(
        backbone.source.architecture, backbone.source.input, backbone.module.state_dict()
    )
    x = backbone.normalise(torch.arange(0, 3 * 96 * 96).remainder(251).byte().reshape(1, 3, 96, 96))
    with torch.inference_mode():
        torch.testing.assert_close(again.full(x), backbone.full(x))


def changed(folder: Path, file: str, **fields: Any) -> None:
    said = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**said, **fields}))


def test_an_old_configuration_names_its_trunk_in_timm(tmp_path: Path) -> None:
    network, _ = folders.write(tmp_path, "detr-timm")
    old = {"backbone_config": None, "use_timm_backbone": True, "use_pretrained_backbone": True}
    changed(tmp_path, "config.json", backbone="resnet10t", **old)
    changed(tmp_path, "preprocessor_config.json", size=96, max_size=128)
    backbone: Any = sources.load(f"hf:{tmp_path}")
    torch.testing.assert_close(
        backbone.detector.state_dict()["network.bbox_predictor.layers.0.weight"],
        network.bbox_predictor.layers[0].weight.detach(),
    )
    assert backbone.detector.processor.size["longest_edge"] == 128
    for name, why in (("hf-hub:some/one", "is no model of timm"), ("nothing", "is no model of timm")):
        changed(tmp_path, "config.json", backbone=name)
        with pytest.raises(SourceError, match=why):
            sources.load(f"hf:{tmp_path}")
    changed(tmp_path, "config.json", use_timm_backbone=False)
    with pytest.raises(SourceError, match="its trunk is another model, 'nothing'"):
        sources.find(f"hf:{tmp_path}")


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    folders.write(tmp_path, "detr")
    spec = f"hf:{tmp_path}"
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    for size in ({"height": 10**6, "width": 96}, {"height": "96", "width": 96}):
        changed(tmp_path, "preprocessor_config.json", size=size)
        with pytest.raises(SourceError, match="preparing images"):
            sources.load(spec)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(SourceError, match=r"there is no preprocessor_config\.json"):
        sources.find(spec)
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    assert sources.load(spec).source.form == "boxes"
    changed(tmp_path, "config.json", model_type="lw_detr")
    with pytest.raises(SourceError, match="detectors of type 'lw_detr' cannot be read"):
        sources.find(spec)
    changed(tmp_path, "config.json", model_type="detr", id2label={"1": "disc"})
    with pytest.raises(SourceError, match="does not name its classes"):
        sources.find(spec)
    changed(tmp_path, "config.json", id2label={"0": "disc"})
    with pytest.raises(SourceError, match="do not fit"):
        sources.load(spec)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"\.safetensors alone"):
        sources.find(spec)


def test_a_trunk_that_is_no_chain_is_refused(tmp_path: Path) -> None:
    trunk = transformers.SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], out_features=["stage4"]
    )
    network = transformers.AutoModelForObjectDetection.from_config(
        transformers.DetrConfig(
            backbone_config=trunk, id2label=dict(enumerate(folders.LABELS)), **folders.DETR
        )
    )
    network.save_pretrained(tmp_path)
    transformers.DetrImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(SourceError, match="a SwinBackbone, is no chain of convolutional stages"):
        sources.load(f"hf:{tmp_path}")
