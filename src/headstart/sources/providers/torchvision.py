"""`torchvision/NAME` or `torchvision/NAME.WEIGHTS`: torchvision's classifiers, through torch's hub folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.core.source import Source
from headstart.errors import UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources import recommended
from headstart.sources.fetching import fetch_file, hash_prefix, torch_hub_file

if TYPE_CHECKING:
    from headstart.sources.traced import TracedBackbone

KWARGS: dict[str, dict[str, Any]] = {
    "inception_v3": {"transform_input": True},
    "googlenet": {"transform_input": True},
}
"""What torchvision adds when it loads pretrained weights."""


def find(spec: str, name: str) -> Source:
    """The record of a model, its default weights unless others are named. Raises `UnknownName`."""
    return recommended.find(spec) or record(spec, name)


describe = find


def record(spec: str, name: str) -> Source:
    """The record as torchvision has it."""
    arch, _, tag = name.partition(".")
    weights = _weights(arch, tag)
    meta = weights.meta
    path = torch_hub_file(weights.url)
    return Source(
        spec=spec,
        name=name,
        architecture={
            "library": "torchvision",
            "arch": arch,
            "kwargs": KWARGS.get(arch, {}),
            "num_classes": len(meta["categories"]),
        },
        input=_contract(weights),
        parameters=meta.get("num_params"),
        labels=tuple(meta["categories"]),
        revision=weights.name,
        local=path is not None,
        size_bytes=path.stat().st_size if path is not None else _megabytes(meta.get("_file_size")),
        prior=_accuracy(meta),
    )


def load(source: Source, *, download: bool = False) -> TracedBackbone:
    """The network with its weights; the hash in the file's name is checked. Raises `SourceError`."""
    from dataclasses import replace

    from headstart.sources import opening, weights

    name = source.spec.removeprefix("torchvision/")
    found = _weights(*name.partition(".")[::2])
    path = torch_hub_file(found.url) or fetch_file(found.url, source, download)
    with weights.unchanged(path, source.spec):
        weights.check_sha256(path, hash_prefix(found.url) or "", source.spec)
        tensors = weights.read_all(path, source.spec)
        labels = tuple(found.meta["categories"])
        return opening.open_backbone(replace(source, labels=labels, local=True), tensors)


def names() -> Sequence[str]:
    """All classification models."""
    from torchvision import models

    found: list[str] = models.list_models(module=models)
    return found


def recipe(arch: str) -> ImagePreprocessing | None:
    """How torchvision's default weights of an architecture want their images."""
    return _contract(_weights(arch, "")) if arch in names() else None


def imagenet_labels() -> tuple[str, ...]:
    """The 1,000 classes of ILSVRC 2012, one name each, in the usual order."""
    return tuple(_weights("resnet18", "").meta["categories"])


def _weights(arch: str, tag: str) -> Any:
    from torchvision import models

    if arch not in names():
        raise UnknownName("model of torchvision", arch, names(), listing="headstart sources --search TEXT")
    known = models.get_model_weights(arch)
    if tag and tag not in known.__members__:
        raise UnknownName(f"set of weights of torchvision/{arch}", tag, list(known.__members__))
    return known[tag] if tag else known.DEFAULT


def _contract(weights: Any) -> ImagePreprocessing:
    recipe = weights.transforms()
    crop, resize = recipe.crop_size[0], recipe.resize_size[0]
    return ImagePreprocessing(
        size=(crop, crop),
        mean=tuple(map(float, recipe.mean)),
        std=tuple(map(float, recipe.std)),
        interpolation=recipe.interpolation.value,
        crop_pct=crop / resize,
    )


def _accuracy(meta: Any) -> float | None:
    found = meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
    return round(found / 100, 5) if found is not None else None


def _megabytes(found: float | None) -> int | None:
    return round(found * 2**20) if found else None
