from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from headstart import sources
from headstart.errors import SourceError, UnknownName, WeightsMissing
from headstart.sources.files import fetching
from headstart.sources.networks import recipes
from headstart.sources.providers import timm as provider

NAME = "test_vit.r160_in1k"
SPEC = f"timm/{NAME}"


@pytest.fixture
def cached(tmp_path: Path) -> Callable[..., Any]:
    """Puts random weights where the hub would."""

    def put() -> Any:
        torch.manual_seed(0)
        network = timm.create_model(NAME, pretrained=False).eval()
        folder = tmp_path / "hub" / f"models--timm--{NAME}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc123")
        (folder / "snapshots" / "abc123").mkdir(parents=True)
        save_file(network.state_dict(), folder / "snapshots" / "abc123" / "model.safetensors")
        return network

    return put


def test_record() -> None:
    source = sources.find(SPEC)
    assert source.licence == "apache-2.0"
    assert source.input.size == (160, 160)
    assert source.parameters == sum(p.numel() for p in timm.create_model(NAME).parameters())
    assert source.size_bytes == 4 * source.parameters
    assert source.labels is not None
    assert len(source.labels) == 1000
    assert source.labels[0].startswith("tench")
    assert not source.local


def test_default_tag() -> None:
    assert sources.find("timm/test_vit").name == NAME


def test_weights_in_the_cache(cached: Callable[..., Any]) -> None:
    network = cached()
    source = sources.find(SPEC)
    assert source.local
    assert source.revision == "abc123"
    before = torch.random.get_rng_state()
    backbone = sources.load(source)
    assert torch.equal(torch.random.get_rng_state(), before)
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        assert torch.allclose(backbone.classifier(backbone.full(x)), network(x), atol=1e-5)
    assert [s.spec for s in sources.available(NAME, local=True)] == [SPEC]


def test_damaged_weights(cached: Callable[..., Any], tmp_path: Path) -> None:
    cached()
    path = next((tmp_path / "hub").rglob("model.safetensors"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SourceError, match="cannot be used"):
        sources.load(SPEC)


def test_no_network_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsMissing, match=r"about 1\.\d MB.*--download.*file:PATH"):
        sources.load(SPEC)
    asked: list[tuple[str, str]] = []

    def fetch(repository: str, name: str) -> str:
        asked.append((repository, name))
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    with pytest.raises(SourceError, match="could not be fetched"):
        sources.load(SPEC, download=True)
    monkeypatch.setenv("HEADSTART_DOWNLOAD", "1")
    with pytest.raises(SourceError, match="no route to host"):
        sources.load(SPEC)
    assert asked == [(f"timm/{NAME}", "model.safetensors")] * 2


@pytest.mark.parametrize("name", ["resnt18", "resnet18.bogus", "levit_384_s8"])
def test_unknown(name: str) -> None:
    with pytest.raises(UnknownName, match="no pretrained model of timm"):
        sources.find(f"timm/{name}")


def test_recipe_of_an_architecture() -> None:
    recipe = recipes.of_timm("vit_tiny_patch16_224")
    assert recipe is not None
    assert recipe.mean == (0.5, 0.5, 0.5)
    assert recipes.of_timm("nothing_like_it") is None


def test_every_record_can_be_made() -> None:
    made = [provider.describe(f"timm/{name}", name) for name in provider.names()[::40]]
    assert all(source.input.channels in (1, 3) for source in made)
    assert fetching.hub_file("timm/nothing", "model.safetensors") is None


PTH = "https://example.org/net-{}.pth"


@pytest.fixture
def in_torch_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a pickled checkpoint where torch.hub would, and says that timm fetches it from there."""

    def put(content: Any, digest: str | None = None) -> Path:
        folder = tmp_path / "torch" / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        torch.save(content, folder / "new.pth")
        own = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()[:8]
        url = PTH.format(digest or own)
        config = replace(timm.get_pretrained_cfg(NAME), hf_hub_id=None, url=url)
        monkeypatch.setattr(timm, "get_pretrained_cfg", lambda *_, **__: config)
        return (folder / "new.pth").rename(folder / url.rpartition("/")[2])

    return put


class Code:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_code_in_a_checkpoint_is_not_run(in_torch_hub: Callable[..., Path], tmp_path: Path) -> None:
    in_torch_hub({"state_dict": timm.create_model(NAME).state_dict(), "epoch": Code(tmp_path / "ran")})
    with pytest.raises(SourceError, match="holds code"):
        sources.load(SPEC)
    assert not (tmp_path / "ran").exists()


def test_averaged_weights_of_a_checkpoint_are_taken(
    in_torch_hub: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, other = timm.create_model(NAME).eval(), timm.create_model(NAME)
    in_torch_hub({"state_dict": other.state_dict(), "state_dict_ema": network.state_dict()})
    made: list[Any] = []
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *a, **k: made.append(create(*a, **k)) or made[-1])
    backbone = sources.load(SPEC)
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        assert torch.allclose(backbone.classifier(backbone.full(x)), network(x), atol=1e-5)
    assert "state_dict" not in made[0].pretrained_cfg  # which would keep the weights twice


def test_a_checkpoint_that_is_not_what_its_name_says(in_torch_hub: Callable[..., Path]) -> None:
    in_torch_hub(timm.create_model(NAME).state_dict(), digest="0123abcd")
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load(SPEC)


def test_weights_that_were_once_jax_arrays(
    cached: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """timm marks them with custom_load, which would read the .safetensors file as .npz."""
    network = cached()
    config = replace(timm.get_pretrained_cfg(NAME), custom_load=True)
    for module in (timm, timm.models._builder):
        monkeypatch.setattr(module, "get_pretrained_cfg", lambda *_, **__: config)
    backbone = sources.load(SPEC)
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        assert torch.allclose(backbone.classifier(backbone.full(x)), network(x), atol=1e-5)
