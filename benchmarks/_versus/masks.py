"""Masks learnt from a folder of squares, on maps of a frozen network that are read once, and then again from what is stored.

    masks.py product DATA WEIGHTS ROOM ARM
    masks.py visbench DATA WEIGHTS ROOM HEAD EPOCHS

DATA has `train` and `test`, each with `images` and `masks` (ids, 255 is void). Each side learns twice from all of `train`:
at first with the pass over its images, then from what this has stored. The mIoU on `test` (one confusion matrix of all its
pixels) is not timed. HEAD is "linear", the peer's default on the last map; "linear-all", the same on the maps at strides 8,
16 and 32 side by side; or "dpt", its other head, on these maps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from say import say, timed

ARCH = "mobilenetv2_100"
STAGES = (2, 3, 4)
"""Of `features_only`, at strides 8, 16 and 32."""
WIDTH = 64
"""Channels of the peer's head "dpt", as the product's decoder has; its default, 512, is 60 times the work."""

Learnt = tuple[Callable[[], Any], Callable[[Any], float]]
"""(what is timed, the mIoU of what it gives)"""


def product(data: Path, weights: str, room: Path, arm: str) -> Learnt:
    from dataclasses import replace

    import torch

    import headstart as hs
    from headstart import modalities, nets, sources, strategies, tasks
    from headstart.core.evidence import Cost
    from headstart.core.split import Split
    from headstart.core.strategy import Request, Trial
    from headstart.data import splits
    from headstart.measure import overlap
    from headstart.passes.extractor import StoreExtractor
    from headstart.store.store import FeatureStore
    from headstart.strategies.dense.decoder import Decoder, settle

    dataset = hs.load(data)
    assert dataset.split is not None
    rows, held = (np.flatnonzero(dataset.split == part) for part in ("train", "test"))
    some = replace(dataset.subset(rows), split=None)
    side = some.targets[0].shape[0]
    spec = f"file:{weights}?arch=timm/{ARCH}&num_classes=1000"
    backbone = sources.mapped(sources.load(spec), (side, side))
    parts = splits.make_split(some, seed=0)
    split = Split(np.arange(len(some)), held[:0], parts.folds, parts.groups, 0, "all of them")

    def learn() -> Any:
        store = StoreExtractor(FeatureStore(room / "store"), some)
        request, strategy = Request(some, some.task, split, store, backbone), strategies.get(arm, some.task)
        choices: dict[str, Any] = {}
        if isinstance(strategy, Decoder):
            settled = settle(strategy.arm(request, backbone, strategy.design(request), strategy.kind))
            assert isinstance(settled, tuple)
            choices = settled[0].design.to_json()
        trial = Trial(arm, arm, None, np.zeros((0, 0, 0), np.float32), Cost(), choices=choices)
        return strategy.refit(request, trial)

    def score(model: Any) -> float:
        net = nets.assemble(model.net, model.tensors, model.input, model.task)
        found = np.zeros((3, model.task.outputs))
        for row in held.tolist():
            pixels = modalities.get("image").prepare(dataset.items[row].read(), model.input)
            with torch.inference_mode():
                said = net(torch.from_numpy(pixels[None]))[0].numpy()
            placed = tasks.for_task(model.task).placed(said, dataset.targets[row].shape)  # type: ignore[attr-defined]
            found += overlap.counts(dataset.targets[row], placed, model.task.outputs)
        return float(np.nanmean(overlap.ious(found)))

    return learn, score


def visbench(data: Path, weights: str, room: Path, head: str, epochs: str) -> Learnt:
    import timm
    import torch
    from PIL import Image
    from torch.nn.functional import interpolate
    from torchvision import transforms
    from visbench.backbones.custom import CustomBackbone
    from visbench.cache.feature_cache import FeatureCache
    from visbench.data.dense import DenseFolderDataset, load_label_map
    from visbench.tasks.high_level.semantic_segmentation import SemanticSegmentationTask

    with Image.open(next((data / "train" / "images").iterdir())) as image:
        side = image.size[0]
    classes = len((data / "classes.txt").read_text().split())
    model = timm.create_model(
        ARCH,
        features_only=True,
        out_indices=STAGES,
        pretrained=True,
        pretrained_cfg_overlay={"file": weights},
    )
    mean, sd = (timm.get_pretrained_cfg(ARCH).to_dict()[name] for name in ("mean", "std"))
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, sd)])

    def maps(module: Any, images: Any) -> list[Any]:
        found = module(images)
        size = found[0].shape[2:]
        return [interpolate(one, size, mode="bilinear", align_corners=False) for one in found]

    def tokens(one: Any) -> tuple[Any, None, Any]:
        return one.flatten(2).transpose(1, 2), None, tuple(one.shape[2:])

    given: dict[str, Any] = {
        "linear": {"feature_fn": lambda module, images: tokens(module(images)[-1])},
        "linear-all": {"feature_fn": lambda module, images: tokens(torch.cat(maps(module, images), 1))},
        "dpt": {
            "layer_feature_fn": lambda module, images, layers: [
                tokens(maps(module, images)[::-1][layer])
                for layer in layers  # the coarsest first
            ],
            "num_layers": len(STAGES),
        },
    }[head]
    backbone = CustomBackbone(model.eval(), change, name=head, image_size=side, **given)
    layers = list(range(len(STAGES))) if head == "dpt" else None
    cache = FeatureCache(room / "cache")
    parts = {
        part: DenseFolderDataset(
            data / part, target_dir="masks", split=part, image_size=side, target_loader=load_label_map
        )
        for part in ("train", "test")
    }

    def features(part: str) -> Any:
        return cache.materialise(backbone, parts[part], targets=parts[part].target, layers=layers)

    def learn() -> Any:
        torch.manual_seed(0)
        task = SemanticSegmentationTask(
            classes,
            head="dpt" if head == "dpt" else "linear",
            layers=layers,
            hidden_dim=WIDTH,
            epochs=int(epochs),
        )
        return task.fit(features("train"))

    return learn, lambda task: float(task.evaluate(features("test"))["miou"])


def main() -> None:
    side, data, weights, room, *rest = sys.argv[1:]
    begin: Callable[..., Learnt] = product if side == "product" else visbench
    learn, score = begin(Path(data), weights, Path(room), *rest)
    _, once = timed(learn)
    learnt, stored = timed(learn)
    say(parts={"with the pass": once, "from the store": stored}, accuracy=score(learnt))


if __name__ == "__main__":
    main()
