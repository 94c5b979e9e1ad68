"""`headstart export`: a model as ONNX, proved to give the same answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headstart.cli._options import ModelPath
from headstart.errors import BadOption

Onnx = Annotated[
    bool, typer.Option("--onnx", help="ONNX, with normalisation and softmax in the graph (extra: export).")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder, or file ending in .onnx, to write. Default: beside the model, where predict finds it.",
    ),
]


def export_command(model: ModelPath, onnx: Onnx = False, out: Out = None) -> None:
    """Write a model in another format, proved to give the same answers.

    By default to MODEL-onnx beside it, from where `headstart predict` answers without loading torch.
    """
    from headstart import modalities
    from headstart.export.model import load_model

    if not onnx:
        raise BadOption("the format", "none", "named: --onnx")
    loaded = load_model(model)
    path = loaded.export(out)
    sys.stdout.write(
        f"{path}: the same answers as the model on its probes\n"
        f"{path.with_suffix('.json')}: labels, and how to prepare {modalities.one(loaded.input.modality)}\n"
    )
