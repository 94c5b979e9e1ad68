"""Weight files: read without running anything in them, checked against what a network needs."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import SourceError

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt")
NESTED = (
    "state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "model_state", "module", "net",
    "encoder",
)  # fmt: skip
"""Keys under which training scripts put the weights, the wanted ones first (averages, as timm does)."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers (DataParallel, torch.compile, Lightning) put before every name."""
COUNTERS = "num_batches_tracked"


def sha256_of(path: Path) -> str:
    """Fingerprint of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str, spec: str) -> None:
    """Raises `SourceError` unless the file's SHA-256 begins with `expected`."""
    found = sha256_of(path)
    if not expected or not found.startswith(expected.lower()):
        raise SourceError(
            spec,
            f"{path.name} is not the file it should be (SHA-256 {found[:12]}..., not {expected[:12]}...)",
            "fetch it again",
        )


def read(path: Path, spec: str) -> dict[str, Tensor]:
    """Name -> tensor, from .safetensors or from .pth and the like with `weights_only=True`.

    Weights nested under a key such as "state_dict" are found; prefixes that wrappers put before
    every name are taken off. Raises `SourceError`.
    """
    try:
        found = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    except FileNotFoundError as error:
        raise SourceError(spec, f"there is no file {path}") from error
    except pickle.UnpicklingError as error:
        raise SourceError(
            spec,
            f"{path.name} holds code besides numbers, or is no checkpoint, and code is never run",
            "save its state_dict alone, best as .safetensors",
        ) from error
    except Exception as error:  # damaged files raise whatever their parser trips over
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise SourceError(spec, f"{path.name} cannot be read ({reason})", "fetch it again") from error
    tensors = _strip(_unnest(found))
    if not tensors:
        raise SourceError(spec, f"{path.name} holds no named tensors", "name a file with a state_dict")
    return tensors


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(path)
    return found


def _checkpoint(path: Path) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _unnest(found: Any) -> dict[str, Tensor]:
    for _ in range(3):
        if not isinstance(found, Mapping):
            return {}
        inner = next((found[k] for k in NESTED if isinstance(found.get(k), Mapping)), None)
        if inner is None:
            break
        found = inner
    return {str(k): t for k, t in found.items() if hasattr(t, "shape") and hasattr(t, "dtype")}


def _strip(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    again = True
    while again and tensors:
        again = False
        for prefix in PREFIXES:
            if all(name.startswith(prefix) for name in tensors):
                tensors = {name[len(prefix) :]: tensor for name, tensor in tensors.items()}
                again = True
    return tensors


def fill(network: nn.Module, tensors: Mapping[str, Tensor], required: Iterable[str], spec: str) -> None:
    """Copy the tensors into the network, in its own precision.

    Raises `SourceError` with the first names when some of `required` are missing, some are not
    the network's, or shapes differ.
    """
    own = network.state_dict()
    missing = [n for n in required if n not in tensors and not n.endswith(COUNTERS)]
    strange = [n for n in tensors if n not in own and not n.endswith(COUNTERS)]
    shapes = [n for n, t in own.items() if n in tensors and t.shape != tensors[n].shape]
    problems = [
        f"{len(names)} tensor{'s' if len(names) > 1 else ''} {what} ({_first(names)})"
        for names, what in ((missing, "missing"), (strange, "not expected"), (shapes, "of another shape"))
        if names
    ]
    if problems:
        raise SourceError(
            spec,
            f"its weights do not fit its architecture: {', '.join(problems)}",
            "name the right architecture (arch=LIBRARY/NAME, or a side-car JSON)",
        )
    network.load_state_dict({n: t for n, t in tensors.items() if n in own}, strict=False)


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
