"""How images are prepared, for programs that have only the exported network: as fields, and in words."""

from __future__ import annotations

import math
from typing import Any

from headstart.modalities.image.decoding._deep import ROUNDING
from headstart.modalities.image.preprocessing import ImagePreprocessing, padding_of, sides_of

_ROUNDED = "to the nearest whole number, halves to the even one"
_DOWN = "down"


def of_images(contract: ImagePreprocessing) -> dict[str, Any]:
    """What `headstart.modalities.image.prepare` does to one picture, step by step."""
    height, width = contract.size
    resize, crop = _resize(contract), _crop(contract)
    return {
        "colour": "RGB",
        "layout": "NCHW",
        "values": {"type": "uint8", "range": [0, 255], "normalisation": "in the graph"},
        "resize": resize,
        "crop": crop,
        "more_than_8_bits": _deep(contract),
        "steps": [
            "decode the first frame; turn it upright by its EXIF orientation",
            _deep(contract)["words"],
            "lay transparent pixels on white; convert to RGB, 8 bits a channel",
            resize["words"],
            crop["words"],
            f"give uint8 from 0 to 255 as [N, 3, {height}, {width}], channels in the order red, green, blue; "
            "scaling, mean and standard deviation are in the graph",
        ],
    }


def _resize(contract: ImagePreprocessing) -> dict[str, Any]:
    tall, wide = sides_of(contract)
    fields = {
        "filter": contract.interpolation,
        "library": "Pillow",
        "antialias": contract.interpolation != "nearest",
    }
    how = f"with Pillow's {contract.interpolation} filter" + (
        ", which is antialiased: when it makes a picture smaller, its support grows with the factor"
        if fields["antialias"]
        else ""
    )
    if contract.crop_mode == "squash":
        words = f"resize to {tall} pixels high and {wide} wide, whatever the proportions, {how}"
        return {"side": "both", "height": tall, "width": wide, **fields, "words": words}
    if contract.crop_mode == "center" and tall == wide:
        longer = f"floor({tall} * longer / shorter)"
        words = f"resize so that the shorter side has {tall} pixels and the longer one {longer}, {how}"
        return {"side": "shorter", "to": tall, "rounding": _DOWN, **fields, "words": words}
    which = "max" if contract.crop_mode == "border" else "min"
    ratio = f"{which}(height / {tall}, width / {wide})"
    words = f"resize to height / r and width / r with r = {ratio}, each rounded {_ROUNDED}, {how}"
    return {"side": "both", "ratio": ratio, "rounding": _ROUNDED, **fields, "words": words}


def _crop(contract: ImagePreprocessing) -> dict[str, Any]:
    height, width = contract.size
    fill = padding_of(contract)
    words = (
        f"cut out {height} pixels in height and {width} in width from the middle: the first row is "
        f"(height - {height}) / 2 and the first column (width - {width}) / 2, each rounded {_ROUNDED}; "
        f"where the picture is smaller, first pad it with {list(fill)}, the odd pixel at the bottom and right"
    )
    place = {"height": height, "width": width, "from": "middle", "rounding": _ROUNDED, "padding": list(fill)}
    return {**place, "words": words}


def _deep(contract: ImagePreprocessing) -> dict[str, Any]:
    if contract.levels is None:
        words = (
            "pictures of more than 8 bits a channel: divide unsigned 16 bits by 257, multiply floats from 0 "
            f"to 1 by 255, leave other whole numbers from 0 to 255, and round {_ROUNDED}"
        )
        return {
            "black": 0,
            "white": {"uint16": 65535, "float": 1, "other": 255},
            "beyond": ROUNDING,
            "words": words,
        }
    black, white = (int(value) if value == math.floor(value) else value for value in contract.levels)
    words = (
        f"pictures of more than 8 bits a channel: 255 * (value - {black}) / ({white} - {black}), cut off "
        f"below 0 and above 255, rounded {_ROUNDED}; those of 8 bits stay as they are"
    )
    return {"black": black, "white": white, "words": words}
