"""The data of the comparisons, made from the packs of `--shared`.

data.py photos SHARED OUT QUICK     pictures/{train,test} of 128 px; resnet18 (random weights) and mobilenetv2_100 (ImageNet)
data.py few SHARED OUT QUICK        photos/{train,test}: 20 a class of ants and bees; the product's model of them, exported
data.py texts SHARED OUT QUICK      texts.jsonl: news; captions.jsonl: of dogs or children, few labels and a test part
data.py scenes SHARED OUT QUICK     {train,test}/{images,masks}: CamVid, the middle square; mobilenetv2_100 (ImageNet)
data.py arrays SHARED OUT QUICK     NAME-features.npy, NAME-labels.npy, NAME-answers.npy
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

SHAPES = {"5,000 x 512": (5_000, 512), "50,000 x 2,048": (50_000, 2_048)}
CLASSES = 100
SIDE = 352
"""Of the squares of `scenes`, in pixels."""
DOG = re.compile(r"\b(dogs?|puppy|puppies)\b", re.IGNORECASE)
CHILD = re.compile(r"\b(child|children|kids?|boys?|girls?|toddlers?|baby|babies)\b", re.IGNORECASE)


def photos(shared: Path, out: Path, quick: bool) -> None:
    from probe_fit import pictures, resnet

    pictures(shared, out, {"train": 12, "test": 5} if quick else {"train": 100, "test": 25})
    resnet(out)
    mobilenet(shared, out)


def mobilenet(shared: Path, out: Path) -> None:
    name = "mobilenetv2_100.torchvision_ptq_in1k.safetensors"
    shutil.copyfile(shared / "weights" / "imagenet" / name, out / "mobilenetv2_100.safetensors")


def few(shared: Path, out: Path, quick: bool) -> None:
    """20 photographs a class, and what the product makes of them."""
    from _sets import draw, pack

    drawn = draw(pack("hymenoptera")(shared / "data", out), 5 if quick else 20, 0, 2000)
    assert drawn.split is not None
    assert drawn.y is not None
    assert drawn.task is not None
    for row, (item, part, label) in enumerate(zip(drawn.items, drawn.split, drawn.y, strict=True)):
        path = out / "photos" / str(part) / drawn.task.labels[label] / f"{row:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.read())
    command = [sys.executable, "-m", "headstart"]
    source = ["--source", "package/efficientnet-lite0", "--strategy", "probe"]
    run = ["fit", str(out / "photos"), *source, "--out", str(out / "run"), "--quiet"]
    subprocess.run([*command, *run], check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(out / "run" / "model", out / "model")
    subprocess.run([*command, "export", str(out / "model"), "--onnx"], check=True, stdout=subprocess.DEVNULL)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def texts(shared: Path, out: Path, quick: bool) -> None:
    news = [row["text"] for row in lines(shared / "data" / "text_agnews" / "test.jsonl")]
    write(out / "texts.jsonl", [{"text": text} for text in news[: 200 if quick else 2000]])
    captions = [row["en"] for row in lines(shared / "data" / "mt_multi30k_en_de" / "train.jsonl")]
    train, test = (8, 50) if quick else (64, 250)
    rows = []
    for label, wanted, other in (("dog", DOG, CHILD), ("child", CHILD, DOG)):
        # the word itself is taken out: what is asked for is all that stands around it
        kept = [
            wanted.sub("one", text) for text in captions if wanted.search(text) and not other.search(text)
        ]
        some = np.random.default_rng(0).permutation(len(kept))[: train + test]
        rows += [
            {"text": kept[i], "label": label, "split": "train" if n < train else "test"}
            for n, i in enumerate(some)
        ]
    write(out / "captions.jsonl", rows)


def scenes(shared: Path, out: Path, quick: bool) -> None:
    """Draw 0 of `dense.py`; nothing is resampled: what a peer reads is square."""
    from PIL import Image

    from dense import CLASSES as NAMES
    from dense import unpacked

    whole = unpacked(shared / "data" / "seg_camvid", out / "whole")
    pool, held = (
        sorted(path.stem for path in (whole / part / "images").iterdir()) for part in ("train", "test")
    )
    some = [pool[i] for i in np.random.default_rng(100).permutation(len(pool))[: 5 if quick else 45]]
    for part, names in (("train", some), ("test", held[:5] if quick else held)):
        for kind, ending in (("images", "jpg"), ("masks", "png")):
            (out / part / kind).mkdir(parents=True)
            for name in names:
                with Image.open(whole / part / kind / f"{name}.{ending}") as image:
                    left, top = ((length - SIDE) // 2 for length in image.size)
                    cut = np.array(image)[top : top + SIDE, left : left + SIDE]
                if kind == "masks":
                    cut = np.where(cut == NAMES.index("void"), 255, cut).astype(np.uint8)
                Image.fromarray(cut).save(out / part / kind / f"{name}.png")
    (out / "classes.txt").write_text("\n".join(name for name in NAMES if name != "void"), encoding="utf-8")
    mobilenet(shared, out)
    shutil.rmtree(whole)


def arrays(shared: Path, out: Path, quick: bool) -> None:
    """Classes that overlap, in features whose columns have spreads from 1 to 0.01."""
    del shared
    for name, (rows, columns) in SHAPES.items():
        rng, n = np.random.default_rng(0), rows // 10 if quick else rows
        y = np.arange(n) % CLASSES
        scale = np.geomspace(1, 0.01, columns).astype(np.float32)
        features = rng.standard_normal((n, columns), np.float32)
        features += 0.3 * rng.standard_normal((CLASSES, columns), np.float32)[y]
        np.save(out / f"{name}-features.npy", features * scale)
        np.save(out / f"{name}-labels.npy", y)
        logits = 2 * rng.standard_normal((n, CLASSES)) + 3 * np.eye(CLASSES)[y]
        answers = np.exp(logits)
        np.save(out / f"{name}-answers.npy", answers / answers.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    kind, packs, place, small = sys.argv[1:]
    Path(place).mkdir(parents=True, exist_ok=True)
    made = {"photos": photos, "few": few, "texts": texts, "arrays": arrays, "scenes": scenes}
    made[kind](Path(packs), Path(place), small == "quick")
