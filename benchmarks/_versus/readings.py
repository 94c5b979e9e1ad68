"""A frozen network's features of a folder of photographs: read once, and then again from what is stored.

    readings.py product|visbench DATA ARCH WEIGHTS SPEC ROOM

Both keep the map before pooling and its mean (VisBench stores both by default; the product stores the last tap).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from say import say, timed


def product(data: Path, spec: str, room: Path) -> Any:
    del room
    from headstart.sklearn import Embedder

    paths = sorted(data.rglob("*.jpg"))
    embedder = Embedder(spec).fit(paths[:1])
    return lambda: embedder.transform(paths)


def visbench(data: Path, arch: str, weights: str, room: Path) -> Any:
    import timm
    from torchvision import transforms
    from visbench.backbones.custom import CustomBackbone
    from visbench.cache.feature_cache import FeatureCache
    from visbench.data import ImageFolderDataset

    model = timm.create_model(
        arch, pretrained=True, pretrained_cfg_overlay={"file": weights}, num_classes=0, global_pool=""
    )
    change = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize(model.default_cfg["mean"], model.default_cfg["std"]),
        ]
    )
    backbone = CustomBackbone(model, change, image_size=128)
    cache = FeatureCache(room / "cache")
    parts = [ImageFolderDataset(data / part) for part in ("test", "train")]

    def read() -> np.ndarray:
        found = [cache.extract_dataset(backbone, part, keep="pooled")["pooled"] for part in parts]
        return np.concatenate([one.numpy() for one in found])

    return read


def main() -> None:
    side, data, arch, weights, spec, room = sys.argv[1:]
    place = Path(room)
    read = (
        product(Path(data), spec, place) if side == "product" else visbench(Path(data), arch, weights, place)
    )
    first, once = timed(read)
    again, stored = timed(read)
    assert np.array_equal(first, again)
    np.save(place / "features.npy", first)
    say(parts={"first reading": once, "from the store": stored})


if __name__ == "__main__":
    main()
