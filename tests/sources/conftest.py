"""Small networks with weights, written where providers look for them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from headstart import sources

SMALL = {
    "library": "headstart",
    "arch": "small-resnet",
    "kwargs": {"widths": [4, 8, 8, 12]},
    "num_classes": 5,
}
RECORD: dict[str, Any] = {**SMALL, "input": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 1.0}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No socket, no cache of this machine."""

    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("HEADSTART_DOWNLOAD", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def small() -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = sources.build(SMALL, classifier=True)
    return network


@pytest.fixture
def weight_file(small: nn.Module, tmp_path: Path) -> Callable[..., str]:
    """Writes weights and a side-car; gives the spec. Fields given as None are left out."""

    def write(file: str = "net.safetensors", state: Any = None, **fields: Any) -> str:
        path = tmp_path / file
        content = small.state_dict() if state is None else state
        if path.suffix == ".safetensors":
            save_file(content, path)
        else:
            torch.save(content, path)
        record = {k: v for k, v in {**RECORD, **fields}.items() if v is not None}
        path.with_suffix(".json").write_text(json.dumps(record))
        return f"file:{path}"

    return write
