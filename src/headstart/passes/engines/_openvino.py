"""Graphs of networks through OpenVINO."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from headstart._lazy import optional


def missing() -> str:
    """Nothing where OpenVINO is installed."""
    return "" if find_spec("openvino") else "openvino is not installed (extra cpu)"


def built(backbone: Any, cuts: tuple[str, ...], precision: str) -> Callable[[Tensor], dict[str, Tensor]]:
    """The states computed in OpenVINO's `precision`, each batch by one thread."""
    library = optional("openvino", extra="cpu", needed_for="the engine openvino")
    graph = backbone.copy().graph(cuts).eval()
    example = backbone.normalise(torch.from_numpy(backbone.example(2)))
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    decoders = optional("openvino.frontend.pytorch.ts_decoder", extra="cpu", needed_for="the engine openvino")
    front = library.frontend.FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it follows the network by torch.jit, which is said to go
        # `convert_model` does the same, and reports that it was used
        followed = decoders.TorchScriptPythonDecoder(graph, example_input=example)
        model = front.convert(front.load(followed))
    compiled = library.Core().compile_model(model, "CPU", settings)

    def states(x: Tensor) -> dict[str, Tensor]:
        found = compiled.create_infer_request().infer([x.contiguous().numpy()])
        values = [torch.from_numpy(found[output]) for output in compiled.outputs]
        return dict(zip(cuts, values, strict=True))

    return states
