"""Tiny pictures of shapes with boxes around them, for tests of detection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ("disc", "bar")


def picture(rng: np.random.Generator, side: int = 96) -> tuple[np.ndarray, list[tuple[list[float], int]]]:
    """(uint8 `[H, W, 3]`, boxes with their classes): bright discs and dark bars on noise, apart from each
    other; sometimes none."""
    pixels, found, taken = np.full((side, side), 110.0), [], np.zeros((side, side), bool)
    y, x = np.mgrid[:side, :side]
    for _ in range(rng.integers(0, 5)):
        number, radius = int(rng.integers(2)), int(rng.integers(8, 14))
        wide, tall = (radius, radius) if number == 0 else (radius + 4, 6)
        cx, cy = int(rng.integers(wide, side - wide)), int(rng.integers(tall, side - tall))
        around = (slice(max(0, cy - tall - 4), cy + tall + 4), slice(max(0, cx - wide - 4), cx + wide + 4))
        if taken[around].any():
            continue
        taken[around] = True
        inside = ((x - cx) / wide) ** 2 + ((y - cy) / tall) ** 2 <= 1
        if number:
            inside = (abs(x - cx) <= wide) & (abs(y - cy) <= tall)
        pixels[inside] = 40 if number else 200
        found.append(([cx - wide, cy - tall, cx + wide, cy + tall], number))
    pixels = pixels[..., None] + rng.normal(0, 20, (side, side, 3))
    return pixels.clip(0, 255).astype(np.uint8), found


def write(folder: Path, images: int, *, seed: int = 0, names: tuple[str, ...] = NAMES) -> Path:
    """`images/` and `annotations.json` (COCO) in a folder; `names` are those of the ids 1 and 2."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    said: dict[str, Any] = {"images": [], "annotations": []}
    said["categories"] = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    for number in range(images):
        pixels, boxes = picture(rng)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        size = {"height": pixels.shape[0], "width": pixels.shape[1]}
        said["images"].append({"id": number, "file_name": f"{number}.png", **size})
        for (left, top, right, bottom), kind in boxes:
            number_of = 1 + names.index(NAMES[kind])
            box = {
                "bbox": [left, top, right - left, bottom - top],
                "category_id": number_of,
                "image_id": number,
            }
            said["annotations"].append({"id": len(said["annotations"]) + 1, "iscrowd": 0, **box})
    (folder / "annotations.json").write_text(json.dumps(said))
    return folder
