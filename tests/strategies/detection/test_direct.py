"""Direct use of a detector of torchvision: what the library finds, under the target's names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

import drawn
from headstart import data, sources, strategies
from headstart.core.strategy import Request, Settings
from headstart.data.splits import make_split
from headstart.errors import ExportError, SourceError
from headstart.export import bundle
from headstart.export.onnx import export_onnx
from headstart.predict.predictor import Predictor, stream
from headstart.run import conclude
from headstart.testing.fakes import MemoryExtractor

LABELS = ["__background__", "disc", "moon", "bars"]


def saved(folder: Path, arch: str, labels: list[str]) -> tuple[str, Any]:
    """A detector with random weights in a file with its record: (spec, the module)."""
    torch.manual_seed(0)
    made = get_model(arch, weights=None, weights_backbone=None, num_classes=4).eval()
    save_file(
        {name: tensor.contiguous() for name, tensor in made.state_dict().items()}, folder / "made.safetensors"
    )
    record = {"library": "torchvision", "arch": arch, "boxes": 4, "labels": labels}
    (folder / "made.json").write_text(json.dumps(record))
    return f"file:{folder / 'made.safetensors'}", made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Request, Any]:
    """(a request with a tiny detector, the detector as the library has it)."""
    where = tmp_path_factory.mktemp("direct")
    spec, module = saved(where, "ssdlite320_mobilenet_v3_large", LABELS)
    dataset = data.load(drawn.write(where / "data", 8))
    assert dataset.task is not None
    backbone = sources.mapped(sources.load(spec), (96, 96))
    split = make_split(dataset, seed=0)
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset), backbone), module


def test_it_says_what_the_library_finds(made: tuple[Request, Any], tmp_path: Path) -> None:
    request, module = made
    arm = strategies.get("direct", request.task)
    trial = arm.fit(request)
    assert (trial.status, trial.reason) == ("done", "2 of its 4 classes name the labels")
    assert trial.choices["labels"] == {"disc": ["disc"], "bar": ["bars"]}
    assert trial.covered[0].all()
    model = replace(arm.refit(request, trial), evidence={})
    plain = {**model.tensors, "settled.thresholds": np.zeros(2, np.float32)}
    item = request.dataset.items[0]
    (found,) = stream(Predictor(replace(model, tensors=plain)), [item])
    from PIL import Image

    with Image.open(item.path) as image:  # type: ignore[attr-defined]
        pixels = torch.from_numpy(np.array(image)).movedim(2, 0).float() / 255
    with torch.inference_mode():
        (theirs,) = module([pixels])
    kept = [(theirs["labels"] == number).numpy() for number in (1, 3)]
    assert sum(kept[number].sum() for number in (0, 1)) >= len(found.answer) > 0
    for number in (0, 1):
        ours = found.answer.take(found.answer.classes == number)
        best = theirs["scores"].numpy()[kept[number]].max()
        at = theirs["scores"].numpy()[kept[number]].argmax()
        assert abs(ours.scores.max() - best) < 1e-4
        box = theirs["boxes"].numpy()[kept[number]][at]
        np.testing.assert_allclose(ours.corners[ours.scores.argmax()], box.clip(0, 96), atol=0.05)
    loaded = bundle.load(bundle.save(model, tmp_path / "model", probes=conclude.probes(model, pairs=False)))
    one, two = (next(iter(stream(Predictor(m), [item]))).answer for m in (model, loaded))
    assert one.to_bytes() == two.to_bytes()
    with pytest.raises(ExportError, match="post-processing"):
        export_onnx(model, tmp_path / "model.onnx", probes=conclude.probes(model, pairs=False))


def test_names_decide_and_may_be_mapped(made: tuple[Request, Any]) -> None:
    request, _ = made
    other = replace(request, task=replace(request.task, labels=("disc", "square")))
    arm = strategies.get("direct", request.task)
    trial = arm.fit(other)
    assert (trial.status, trial.reason) == ("not applicable", "'square' is not among the source's 4 classes")
    mapped = replace(other, settings=Settings(label_map={"moon": "square"}))
    assert arm.fit(mapped).choices["columns"] == [[1], [2]]
    plain = sources.mapped(sources.load("bundled/strokes"), (96, 96))
    assert arm.fit(replace(request, backbone=plain)).reason == "the source finds no boxes"


@pytest.mark.parametrize("arch", ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"])
def test_its_trunk_is_read_as_any_other(arch: str, tmp_path: Path) -> None:
    spec, module = saved(tmp_path, arch, LABELS)
    backbone: Any = sources.load(spec)
    assert backbone.source.form == "boxes"
    assert backbone.classifier is None
    x = torch.rand(1, 3, 320, 320)
    with torch.inference_mode():
        body = getattr(module.backbone, "body", None)
        last = list(body(x).values())[-1] if body is not None else module.backbone.features(x)
        torch.testing.assert_close(backbone.full(x), last)
    seen = sources.mapped(backbone, (96, 96))
    assert seen.detector is backbone.detector
    again = sources.from_state(backbone.source.architecture, seen.source.input, backbone.module.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(again.full(x), last)
    assert backbone.fresh(0).digest != backbone.digest


def test_a_record_with_other_names_is_refused(tmp_path: Path) -> None:
    spec, _ = saved(tmp_path, "ssdlite320_mobilenet_v3_large", LABELS[:3])
    with pytest.raises(SourceError, match="3 label names are given, but its detector has 4 classes"):
        sources.load(spec)


def test_those_of_torchvision_are_named() -> None:
    source = sources.find("torchvision/fasterrcnn_mobilenet_v3_large_320_fpn")
    assert (source.form, len(source.labels or ())) == ("boxes", 91)
    assert sources.find("torchvision/ssdlite320_mobilenet_v3_large").input.mean == (0.5, 0.5, 0.5)
