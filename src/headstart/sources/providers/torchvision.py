"""`torchvision/NAME` or `torchvision/NAME.WEIGHTS`: classifiers and detectors, through torch's hub folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.core.source import Source
from headstart.sources.files.fetching import fetch_file, hash_prefix, torch_hub_file
from headstart.sources.networks import detectors, recipes
from headstart.sources.providers import recommended

if TYPE_CHECKING:
    from headstart.sources.cuts.traced import TracedBackbone

KWARGS: dict[str, dict[str, Any]] = {
    "inception_v3": {"transform_input": True},
    "googlenet": {"transform_input": True},
}
"""What torchvision adds when it loads pretrained weights."""


def find(spec: str, name: str) -> Source:
    """The record of a model, its default weights unless others are named. Raises `UnknownName`."""
    return recommended.find(spec) or record(spec, name)


def record(spec: str, name: str) -> Source:
    """The record as torchvision has it."""
    arch, _, tag = name.partition(".")
    if arch in detectors.names():
        return _detector(spec, name)
    weights = recipes.torchvision_weights(arch, tag)
    meta = weights.meta
    labels, kwargs = tuple(meta["categories"]), KWARGS.get(arch, {})
    path = torch_hub_file(weights.url)
    size = round(meta.get("_file_size", 0) * 2**20) or None  # from megabytes
    accuracy = meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
    return Source(
        spec=spec,
        name=name,
        architecture={"library": "torchvision", "arch": arch, "kwargs": kwargs, "num_classes": len(labels)},
        input=recipes.torchvision_contract(weights),
        parameters=meta.get("num_params"),
        labels=labels,
        revision=weights.name,
        local=path is not None,
        size_bytes=path.stat().st_size if path is not None else size,
        prior=None if accuracy is None else round(accuracy / 100, 5),
    )


def _detector(spec: str, name: str) -> Source:
    """The record of a detector: its boxes have names, its trunk is read as any other."""
    arch, _, tag = name.partition(".")
    weights = detectors.weights_of(arch, tag)
    meta, path = weights.meta, torch_hub_file(weights.url)
    labels, size = tuple(meta["categories"]), round(meta.get("_file_size", 0) * 2**20) or None
    architecture = {"library": "torchvision", "arch": arch, "kwargs": {}, "num_classes": 0}
    return Source(
        spec=spec,
        name=name,
        architecture={**architecture, "boxes": len(labels)},
        input=detectors.contract(arch),
        parameters=meta.get("num_params"),
        labels=labels,
        revision=weights.name,
        local=path is not None,
        size_bytes=path.stat().st_size if path is not None else size,
        note="a detector",
    )


def load(source: Source, *, download: bool = False) -> TracedBackbone:
    """The network with its weights; the hash in the file's name is checked. Raises `SourceError`."""
    from dataclasses import replace

    from headstart.sources.files import weights
    from headstart.sources.networks import opening

    name = source.spec.removeprefix("torchvision/")
    known = detectors.weights_of if source.form else recipes.torchvision_weights
    found = known(*name.partition(".")[::2])
    path = torch_hub_file(found.url) or fetch_file(found.url, source, download)
    with weights.unchanged(path, source.spec):
        weights.check_sha256(path, hash_prefix(found.url) or "", source.spec)
        tensors = weights.read_all(path, source.spec)
        if source.form:
            return opening.open_detector(replace(source, local=True), tensors)
        labels = tuple(found.meta["categories"])
        return opening.open_backbone(replace(source, labels=labels, local=True), tensors)


def names() -> Sequence[str]:
    """All classification models, and detectors."""
    from torchvision import models

    found: list[str] = models.list_models(module=models)
    return [*found, *detectors.names()]
