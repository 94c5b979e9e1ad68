"""The graph of a network through OpenVINO (extra `cpu`), in float32."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from headstart._lazy import optional
from headstart.passes.engines import States, folded

PRECISION = "float32, openvino"
SETUP = 3.0


def suits(backbone: Any, device: str) -> str:
    """See `Engine`."""
    missing = "" if find_spec("openvino") else "openvino is not installed (extra cpu)"
    return folded.suits(backbone, device) or missing


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""
    return built(backbone, cuts, "f32")


def built(backbone: Any, cuts: tuple[str, ...], precision: str) -> States:
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
