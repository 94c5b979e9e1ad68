"""Write a training into the package: float16 weights and the record beside them.

`python -m pretraining.publish --config FILE` publishes the last checkpoint, finished or not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

import headstart
from headstart.core.files import write_atomic, write_json
from headstart.core.fingerprint import of_bytes
from pretraining.recipe import VERSION, Recipe, read
from pretraining.train import WORK, Training

PACKAGE = Path(headstart.__file__).parent / "sources" / "bundled"
LARGEST = 2_500_000
"""Bytes a bundled source may take."""


def publish(training: Training, *, out: Path | None = None, table: Mapping[str, Any] | None = None) -> Path:
    """`NAME.safetensors` and `NAME.json` in `out` (the package itself by default); returns the record's path.

    The table is that of the quick digits probe unless one is given.
    """
    from pretraining import evaluate

    out, recipe = out or PACKAGE, training.recipe
    trunk = training.trunk()
    parameters = sum(p.numel() for p in trunk.parameters())
    tensors = {
        name: value.half().contiguous() for name, value in trunk.state_dict().items() if value.dim() > 0
    }
    data = save(tensors)
    if len(data) > LARGEST:
        raise ValueError(f"{recipe.name} takes {len(data)} bytes, more than {LARGEST}")
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / f"{recipe.name}.safetensors", data)
    found = dict(table) if table is not None else evaluate.table(half(trunk), None)
    path = out / f"{recipe.name}.json"
    write_json(path, record(recipe, of_bytes(data), parameters, training.step * recipe.batch, found))
    print(f"{path}: {parameters} parameters, {len(data)} bytes; {found}")
    return path


def half(trunk: torch.nn.Module) -> torch.nn.Module:
    """The network as a reader of the file gets it: rounded to float16, computed in float32."""
    return trunk.half().float().eval()


def record(recipe: Recipe, sha256: str, parameters: int, images: int, table: Mapping[str, Any]) -> dict:
    """What is known about a source, as `headstart.sources` reads it."""
    return {
        "name": recipe.name,
        "library": "headstart",
        "arch": "small-resnet",
        "kwargs": dict(recipe.kwargs),
        "num_classes": 0,
        "input": recipe.side,
        "crop_pct": 1.0,
        "mean": list(recipe.mean),
        "std": list(recipe.std),
        "interpolation": "bilinear",
        "sha256": sha256,
        "parameters": parameters,
        "licence": "Apache-2.0",
        "recipe": {
            "version": VERSION,
            "seed": recipe.seed,
            "images": images,
            "families": dict(recipe.shares),
            "classes": recipe.classes * len(recipe.shares),
        },
        "note": recipe.note,
        "table": dict(table),
    }


def main() -> None:
    """Publish the checkpoint of one recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=WORK, help="where checkpoints and metrics lie")
    parser.add_argument("--out", type=Path, default=None, help="where the source goes (default: the package)")
    parser.add_argument(
        "--table", type=Path, help="JSON: what was measured (default: a quick look at digits)"
    )
    options = parser.parse_args()
    table = json.loads(options.table.read_text()) if options.table else None
    training = Training(read(options.config))
    training.resume(options.work / training.recipe.name / "checkpoint.pt")
    publish(training, out=options.out, table=table)


if __name__ == "__main__":
    main()
