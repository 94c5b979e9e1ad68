"""Detectors of `transformers` with the image processor that belongs to them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from headstart.core.untrusted import limits
from headstart.errors import SourceError
from headstart.modalities.image.preprocessing import LARGEST_SIDE
from headstart.sources.detection.files.folder import OPTIONS, PROCESSORS, known
from headstart.sources.text.networks import transformer

AUTO = "AutoModelForObjectDetection"


class Detector(nn.Module):
    """The network, between what its image processor does before and after it."""

    def __init__(self, network: nn.Module, processor: Any) -> None:
        super().__init__()
        self.network, self.processor = network, processor

    def found(self, prepared: Tensor) -> list[dict[str, Tensor]]:
        """See `sources.networks.detectors.found`; the best first."""
        inputs = self.processor(images=list(prepared), return_tensors="pt")
        out = self.network(**{name: value.to(prepared.device) for name, value in inputs.items()})
        sizes = [(1, 1)] * len(prepared)
        said = self.processor.post_process_object_detection(out, threshold=0.0, target_sizes=sizes)
        orders = [one["scores"].argsort(descending=True, stable=True) for one in said]
        return [{name: one[name][order] for name in one} for one, order in zip(said, orders, strict=True)]


def whole(architecture: Mapping[str, Any]) -> Detector:
    """The detector in eval mode with random weights; draws from torch's global generator.

    Raises `SourceError`, `MissingExtra`.
    """
    made = processor(architecture)
    return Detector(transformer.build(architecture, AUTO), made).eval()


def processor(architecture: Mapping[str, Any]) -> Any:
    """The library's own, by the plain values that an architecture has for it. Raises `SourceError`."""
    arch = str(architecture["arch"])
    spec = f"transformers/{arch}"
    known(arch, spec)
    options = architecture.get("processor")
    if not isinstance(options, Mapping) or not all(map(_plain, options, options.values())):
        raise SourceError(spec, "what it says of preparing images cannot be used", "fetch it again")
    with transformer.blaming(spec, "its image processor cannot be made"):
        return getattr(transformer.library(), PROCESSORS[arch])(**options)


def _plain(name: str, value: Any) -> bool:
    """Whether an option is known, and made of small numbers."""
    inner = (
        value.values()
        if isinstance(value, Mapping)
        else value
        if isinstance(value, list | tuple)
        else (value,)
    )
    numbers = all(one is None or (isinstance(one, int | float) and abs(one) <= LARGEST_SIDE) for one in inner)
    return name in OPTIONS and numbers and len(inner) <= limits.ARGUMENTS


def trunk(detector: Any) -> nn.Sequential:
    """The layers from the pixels to the last map that the detector takes: copies, whose norm layers can be
    trained. Raises `SourceError` where they are no chain."""
    arch = detector.network.config.model_type
    backbone = _backbone(detector)
    if isinstance(backbone, nn.ModuleDict):  # of timm
        layers = list(backbone.values())
    elif hasattr(backbone, "embedder") and hasattr(getattr(backbone, "encoder", None), "stages"):
        layers = [backbone.embedder, *backbone.encoder.stages]
    elif hasattr(backbone, "window_unpartition"):  # a vision transformer that looks through windows
        layers = [Patches(backbone), AsItIs()]
    else:
        problem = f"its trunk, a {type(backbone).__name__}, is no chain of convolutional stages"
        raise SourceError(f"transformers/{arch}", problem, "take another detector")
    made = nn.Sequential(*copy.deepcopy(layers))
    for part in list(made.modules()):
        for name, layer in list(part.named_children()):
            if type(layer).__name__.endswith("FrozenBatchNorm2d"):
                setattr(part, name, _thawed(layer))
    return made.eval()


class Patches(nn.Module):
    """The last map of a vision transformer whose windows share out the patches of an image: images of other
    sizes get black borders below and on the right, and the patches of these are left out."""

    one: Tensor

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone, self.patch = backbone, int(backbone.config.patch_size)
        self.whole = self.patch * int(backbone.config.num_windows)
        # what owns a buffer is not looked into (`sources.cuts.tracing`)
        self.register_buffer("one", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """float32 `[B, 3, H, W]` -> `[B, C, ceil(H / patch), ceil(W / patch)]`"""
        height, width = x.shape[-2:]
        x = nn.functional.pad(x, (0, -width % self.whole, 0, -height % self.whole))
        found: Tensor = self.backbone(x).feature_maps[-1]
        return found[..., : -(-height // self.patch), : -(-width // self.patch)]


class AsItIs(nn.Module):
    """What it is given: a place behind the map, so that it can be read, and what follows can be trained."""

    one: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("one", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.one


def last_map(detector: Any, pixels: Tensor) -> Tensor:
    """What `trunk` should give. Raises `SourceError` where the library does not take such images."""
    said = _backbone(detector)(pixels)
    found: Tensor = (said if isinstance(said, list) else said.feature_maps)[-1]
    return found


def _backbone(detector: Any) -> Any:
    """The outermost network that gives maps: one of timm, or one of the library."""
    parts = detector.network.modules()
    return next((one for one in parts if type(one).__name__.endswith(("Backbone", "FeatureListNet"))), None)


def _thawed(frozen: Any) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(len(frozen.weight), eps=getattr(frozen, "eps", 1e-5))
    layer.weight, layer.bias = nn.Parameter(frozen.weight.clone()), nn.Parameter(frozen.bias.clone())
    layer.running_mean, layer.running_var = frozen.running_mean.clone(), frozen.running_var.clone()
    return layer


def fill(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor], spec: str) -> Detector:
    """The detector with the weights of a file. Raises `SourceError`, `MissingExtra`."""
    made = processor(architecture)
    network = transformer.fill(architecture, tensors, spec, AUTO)
    return Detector(network, made).eval()


def rebuilt(architecture: Mapping[str, Any]) -> nn.Module:
    """The trunk with random weights."""
    with torch.no_grad():
        return trunk(whole(architecture))
