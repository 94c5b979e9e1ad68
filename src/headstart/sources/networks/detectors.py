"""Detectors of torchvision: whole, with the library's post-processing, and their trunk as any other source.

An architecture that counts "boxes" is that of a detector with so many classes, background among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headstart.core.untrusted import reason
from headstart.errors import SourceError, UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZE = (320, 320)
"""Height and width of images by which the trunk is cut; data have sizes of their own."""
EPSILON = {"fasterrcnn_resnet50_fpn": 0.0, "maskrcnn_resnet50_fpn": 0.0, "retinanet_resnet50_fpn": 0.0}
"""Of the norm layers, where the weights of torchvision were trained with another than the usual one."""


def names() -> list[str]:
    """Those that give boxes of classes."""
    from torchvision import models

    found: list[str] = models.list_models(module=models.detection)
    return [name for name in found if not name.startswith("keypoint")]


def weights_of(arch: str, tag: str) -> Any:
    """torchvision's own record: of the tag, or the default. Raises `UnknownName`."""
    from torchvision import models

    known = models.get_model_weights(arch)
    if tag and tag not in known.__members__:
        raise UnknownName(f"set of weights of torchvision/{arch}", tag, list(known.__members__))
    return known[tag] if tag else known.DEFAULT


def contract(arch: str) -> ImagePreprocessing:
    """How its trunk wants images: whole ones, by the mean and deviation that the detector itself uses."""
    mean, sd = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    if arch.startswith("ssdlite"):
        mean, sd = (0.5,) * 3, (0.5,) * 3
    elif arch.startswith("ssd300"):
        mean, sd = (0.48235, 0.45882, 0.40784), (1 / 255,) * 3
    return ImagePreprocessing(size=SIZE, mean=mean, std=sd, crop_pct=1.0, crop_mode="squash")


def whole(architecture: Mapping[str, Any]) -> nn.Module:
    """The detector in eval mode with random weights, from an architecture that was audited. Raises
    `SourceError`, `UnknownName`."""
    from torch import nn
    from torchvision import models

    if architecture.get("library") == "transformers":
        from headstart.sources.detection import transformed

        return transformed.whole(architecture)
    arch, boxes = str(architecture.get("arch", "")), int(architecture.get("boxes") or 0)
    if arch not in names():
        raise UnknownName("detector of torchvision", arch, names())
    if boxes < 2:
        raise SourceError(f"torchvision/{arch}", "its architecture does not say how many classes it finds")
    try:
        network = models.get_model(arch, weights=None, weights_backbone=None, num_classes=boxes)
    except Exception as error:  # whatever the library raises
        raise SourceError(f"torchvision/{arch}", f"cannot be built ({reason(error)})") from error
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d) and arch in EPSILON:
            layer.eps = EPSILON[arch]
    found: nn.Module = network.eval()
    return found


def trunk(detector: nn.Module) -> nn.Sequential:
    """The layers from the pixels to the last map that the detector takes of its classifier."""
    from torch import nn

    backbone: Any = detector.backbone
    body = backbone.body.values() if hasattr(backbone, "body") else backbone.features
    return nn.Sequential(*body)


def found(detector: nn.Module, prepared: Tensor) -> list[dict[str, Tensor]]:
    """For each image of a batch uint8 `[B, 3, H, W]` "boxes" `[n, 4]` in 0 to 1, "labels" and "scores" `[n]`,
    as the library's own post-processing leaves them."""
    import torch

    own = getattr(detector, "found", None)
    if own is not None:
        said: list[dict[str, Tensor]] = own(prepared)
        return said
    height, width = prepared.shape[2:]
    size = torch.tensor([width, height, width, height], device=prepared.device)
    said = detector([one.float() / 255 for one in prepared])
    return [{**one, "boxes": one["boxes"] / size} for one in said]
