"""What the libraries say of their own weights: how these want their images, and the names of the classes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from headstart.errors import UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing


def of_timm(arch: str) -> ImagePreprocessing | None:
    """How timm's own weights of an architecture want their images; None for one that it does not know."""
    config = timm_config(arch)
    return timm_contract(config) if config is not None else None


def of_torchvision(arch: str) -> ImagePreprocessing | None:
    """How torchvision's default weights of an architecture want them; None for one that it does not know."""
    try:
        return torchvision_contract(torchvision_weights(arch, ""))
    except UnknownName:
        return None


def timm_config(name: str) -> Any | None:
    """timm's own record, or None when the architecture or its tag does not exist."""
    import timm

    if not timm.is_model(name.partition(".")[0]):
        return None
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:  # no such tag
        return None


def timm_contract(config: Any) -> ImagePreprocessing:
    """How the weights of a record of timm want their images."""
    from timm.data import resolve_data_config

    found = resolve_data_config({}, pretrained_cfg=config.to_dict())
    channels, height, width = found["input_size"]
    return ImagePreprocessing(
        size=(height, width),
        mean=tuple(map(float, found["mean"])),
        std=tuple(map(float, found["std"])),
        interpolation=str(found["interpolation"]),
        crop_pct=float(found["crop_pct"]),
        crop_mode=str(found["crop_mode"]),
        channels=channels,
    )


def torchvision_weights(arch: str, tag: str) -> Any:
    """torchvision's own record: of the tag, or the default. Raises `UnknownName`."""
    from torchvision import models

    names = models.list_models(module=models)
    if arch not in names:
        raise UnknownName("model of torchvision", arch, names, listing="headstart sources --search TEXT")
    known = models.get_model_weights(arch)
    if tag and tag not in known.__members__:
        raise UnknownName(f"set of weights of torchvision/{arch}", tag, list(known.__members__))
    return known[tag] if tag else known.DEFAULT


def torchvision_contract(weights: Any) -> ImagePreprocessing:
    """How torchvision's weights want their images."""
    recipe = weights.transforms()
    crop, resize = recipe.crop_size[0], recipe.resize_size[0]
    return ImagePreprocessing(
        size=(crop, crop),
        mean=tuple(map(float, recipe.mean)),
        std=tuple(map(float, recipe.std)),
        interpolation=recipe.interpolation.value,
        crop_pct=crop / resize,
    )


def imagenet_labels(library: str) -> tuple[str, ...]:
    """The 1,000 classes of ILSVRC 2012 in the usual order, as torchvision or timm names them."""
    if library == "torchvision":
        return tuple(torchvision_weights("resnet18", "").meta["categories"])
    return timm_labels("imagenet-1k")


@lru_cache(maxsize=4)
def timm_labels(subset: str) -> tuple[str, ...]:
    """The classes of ImageNet, or of a set like it, with their synonyms, in timm's order."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo(subset)
    return tuple(info.index_to_description(i) for i in range(info.num_classes()))
