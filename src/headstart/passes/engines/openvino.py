"""The graph of a network through OpenVINO (extra `cpu`)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from headstart._lazy import optional
from headstart.passes.engines.base import States, no_graph


@dataclass(frozen=True)
class OpenVINO:
    """An `Engine` in OpenVINO's `numbers`, each batch by one thread."""

    PRECISION: str
    numbers: str
    SETUP: float = 3.0

    def suits(self, backbone: Any, device: str) -> str:
        """See `Engine`."""
        missing = "" if find_spec("openvino") else "openvino is not installed (extra cpu)"
        return no_graph(backbone, device) or missing

    def build(self, backbone: Any, cuts: tuple[str, ...]) -> States:
        """See `Engine`."""
        library, decoders = (
            optional(f"openvino{part}", extra="cpu", needed_for="the engine openvino")
            for part in ("", ".frontend.pytorch.ts_decoder")
        )
        graph = backbone.copy().graph(cuts).eval()
        example = backbone.normalise(torch.from_numpy(backbone.example(2)))
        settings = {"INFERENCE_PRECISION_HINT": self.numbers, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
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


FULL = OpenVINO("float32, openvino", "f32")
HALF = OpenVINO("bfloat16, openvino", "bf16")
"""Where the processor has bfloat16."""
