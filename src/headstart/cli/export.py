"""`headstart export`: a model as ONNX, proved to give the same answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headstart.cli._options import ModelPath

Onnx = Annotated[
    bool, typer.Option("--onnx", help="ONNX, with normalisation and softmax in the graph (extra: export).")
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="File to write. Default: the model's name with .onnx.")
]


def export_command(model: ModelPath, onnx: Onnx = False, out: Out = None) -> None:
    """Write a model in another format, proved to give the same answers."""
    from headstart import modalities
    from headstart.errors import BadOption
    from headstart.export.model import load_model

    if not onnx:
        raise BadOption("the format", "none", "named: --onnx")
    loaded = load_model(model)
    target = out or default_name(model)
    path = loaded.export(target)
    sys.stdout.write(
        f"{path}: the same answers as the model on its probes\n"
        f"{path.with_suffix('.json')}: labels, and how to prepare {modalities.one(loaded.input.modality)}\n"
    )


def default_name(model: Path) -> Path:
    """`flowers-1` or `flowers-1/model` -> `flowers-1.onnx` in the current folder."""
    place = model.resolve()
    name = place.parent.name if place.name == "model" and place.is_dir() else place.name
    return Path(f"{name.removesuffix('.zip')}.onnx")
