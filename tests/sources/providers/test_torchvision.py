from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torchvision import models

from headstart import sources
from headstart.errors import SourceError, UnknownName, WeightsMissing
from headstart.sources.files import weights
from headstart.sources.networks import recipes


def test_record() -> None:
    source = sources.find("torchvision/squeezenet1_1")
    assert source.prior == pytest.approx(0.58178)
    assert source.parameters == 1235496
    assert source.input.size == (224, 224)
    assert source.input.crop_pct == pytest.approx(224 / 256)
    assert source.input.interpolation == "bilinear"
    assert source.labels is not None
    assert source.labels[1] == "goldfish"
    assert sources.find("torchvision/resnet50.IMAGENET1K_V1").prior == pytest.approx(0.7613)


def test_unknown() -> None:
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        sources.find("torchvision/resnet1")
    with pytest.raises(UnknownName, match="IMAGENET1K_V1"):
        sources.find("torchvision/resnet18.V9")
    with pytest.raises(WeightsMissing, match=r"about 5\.0 MB"):
        sources.load("torchvision/squeezenet1_1")


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Random weights in torch's hub folder, under a name with their own hash."""
    torch.manual_seed(0)
    network = models.squeezenet1_1(weights=None).eval()
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / "x.pth")
    digest = hashlib.sha256((folder / "x.pth").read_bytes()).hexdigest()[:8]
    path = (folder / "x.pth").rename(folder / f"squeezenet1_1-{digest}.pth")
    real = models.SqueezeNet1_1_Weights.DEFAULT
    fake = SimpleNamespace(
        url=f"https://example.org/{path.name}", meta=real.meta, transforms=real.transforms, name="FAKE"
    )
    monkeypatch.setattr(recipes, "torchvision_weights", lambda arch, tag: fake)
    return SimpleNamespace(network=network, path=path)


def test_weights_in_the_hub_folder(fetched: Any) -> None:
    source = sources.find("torchvision/squeezenet1_1")
    assert source.local
    backbone = sources.load(source)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.allclose(backbone.classifier(backbone.full(x)), fetched.network(x), atol=1e-5)


def test_a_file_that_is_not_what_its_name_says(fetched: Any) -> None:
    fetched.path.write_bytes(fetched.path.read_bytes() + b"x")
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load("torchvision/squeezenet1_1")


def test_old_names_of_densenet(tmp_path: Path) -> None:
    old = {
        "features.denseblock1.denselayer1.norm.1.weight": torch.zeros(1),
        "features.norm0.bias": torch.ones(1),
    }
    torch.save(old, tmp_path / "old.pth")
    assert set(weights.read_all(tmp_path / "old.pth", "x")) == {
        "features.denseblock1.denselayer1.norm1.weight",
        "features.norm0.bias",
    }
