"""Checkpoints: one file of safetensors, the structure around the tensors as JSON in its header.

No pickle. Writing is atomic: a process killed at any moment leaves the previous checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from headstart.core.files import write_atomic
from headstart.core.untrusted import Damaged, parsing

FORMAT = "headstart-checkpoint-1"


def save(path: Path, tree: Any, *, about: str) -> None:
    """Write nested dicts, lists, tensors and plain values. `about` names what they belong to.

    Raises `OSError` when the file cannot be written; then an older one is still whole.
    """
    tensors: dict[str, Tensor] = {}
    structure = _encode(tree, tensors)
    header = {"format": FORMAT, "about": about, "tree": json.dumps(structure)}
    write_atomic(path, to_bytes(tensors, header))


def load(path: Path, *, about: str) -> Any | None:
    """What was saved, with tensors on the CPU; None when there is none, or one about something else."""
    if not path.is_file():
        return None
    try:
        with parsing(), safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT or header.get("about") != about:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
            return _decode(json.loads(header["tree"]), tensors)
    except Damaged:
        return None  # damaged from outside: training again is right, a crash is not


def _encode(node: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON in which dicts are lists of pairs (keys may be numbers) and tensors are names."""
    if isinstance(node, Tensor):
        name = str(len(tensors))
        tensors[name] = node.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(node, dict):
        return {"pairs": [[key, _encode(value, tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        return [_encode(value, tensors) for value in node]
    return node


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, dict):
        if "tensor" in node:
            return tensors[node["tensor"]]
        return {key: _decode(value, tensors) for key, value in node["pairs"]}
    return [_decode(value, tensors) for value in node] if isinstance(node, list) else node


def random_state() -> dict[str, Any]:
    """States of torch's generators (dropout draws from them)."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any]) -> None:
    """Put torch's generators back."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
