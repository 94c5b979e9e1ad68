"""Weight files: read without running anything in them, checked against what a network needs."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.core import untrusted
from headstart.core.source import Source
from headstart.errors import SourceError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt")
NESTED = (
    "state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "model_state", "module", "net",
    "encoder",
)  # fmt: skip
"""Keys under which training scripts put the weights, the wanted ones first (averages, as timm does)."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers (DataParallel, torch.compile, Lightning) put before every name."""
COUNTERS = "num_batches_tracked"
OTHERS = re.compile(r"optim|schedul|scaler|\bargs$|callbacks|loops", re.IGNORECASE)
"""Keys under which training scripts put what is no network."""
DEEPEST = 6
"""Records inside each other in a checkpoint that are looked into."""
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)")


@contextmanager
def readable(spec: str, problem: str, remedy: str = "") -> Iterator[None]:
    """What goes wrong inside, in the system or in a parser, is raised as a `SourceError`: this and why."""
    try:
        with untrusted.parsing():
            yield
    except (OSError, untrusted.Damaged) as error:
        raise SourceError(spec, f"{problem} ({error})", remedy) from error


def sha256_of(path: Path) -> str:
    """Fingerprint of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str, spec: str) -> None:
    """Raises `SourceError` unless the file's SHA-256 begins with `expected`."""
    found = sha256_of(path)
    if not expected or not found.startswith(expected.lower()):
        digests = f"SHA-256 {found[:12]}..., not {expected[:12]}..."
        raise SourceError(spec, f"{path.name} is not the file it should be ({digests})", "fetch it again")


@contextmanager
def unchanged(path: Path, spec: str) -> Iterator[None]:
    """What is read inside, perhaps several times, is one file. Raises `SourceError` when it was changed, or
    another put in its place; so the bytes whose digest was taken are those that are opened."""
    before = _state(path, spec)
    yield
    if _state(path, spec) != before:
        raise SourceError(spec, f"{path.name} was changed while it was read", "try again when it is at rest")


def _state(path: Path, spec: str) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(spec, f"{path} cannot be read ({error.strerror})", "correct the path") from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read(path: Path, spec: str) -> dict[str, Tensor]:
    """Name -> tensor, from .safetensors or from .pth and the like with `weights_only=True`.

    Weights nested under a key such as "state_dict" are found; prefixes that wrappers put before
    every name are taken off. Raises `SourceError`.
    """
    return _named(_strip(_unnest(_opened(path, spec))), path, spec)


def read_folder(files: Sequence[Path], source: Source) -> tuple[Source, dict[str, Tensor]]:
    """Name -> tensor from the files of a model, and its record with the digest where it is one file.

    Raises `SourceError` when that is not the digest that the record had.
    """
    tensors: dict[str, Tensor] = {}
    for path in files:
        with unchanged(path, source.spec):
            if source.sha256 is not None and len(files) == 1:
                check_sha256(path, source.sha256, source.spec)
            elif len(files) == 1:
                source = replace(source, sha256=sha256_of(path))
            tensors |= read(path, source.spec)
    return source, tensors


def read_all(path: Path, spec: str) -> dict[str, Tensor]:
    """All tensors of a file under their whole names, with the keys that they lie under before them:
    "teacher.backbone.conv1.weight". What an optimiser has kept is left out. Raises `SourceError`.
    """
    return _named(dict(_flat(_opened(path, spec), "", 0)), path, spec)


def _named(tensors: dict[str, Tensor], path: Path, spec: str) -> dict[str, Tensor]:
    if not tensors:
        raise SourceError(spec, f"{path.name} holds no named tensors", "name a file with a state_dict")
    return {_OLD_DENSENET.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}


def _opened(path: Path, spec: str) -> Any:
    try:
        with path.open("rb") as file:
            what = untrusted.not_itself(file.read(untrusted.BEGINNING))
        if what:
            raise SourceError(spec, f"{path.name} is {what[0]}", what[1])
        if path.suffix != ".safetensors":
            return _checkpoint(path)
        from safetensors.torch import load_file

        with untrusted.parsing():
            return load_file(path)
    except FileNotFoundError as error:
        raise SourceError(spec, f"there is no file {path}") from error
    except pickle.UnpicklingError as error:
        problem = f"{path.name} holds code besides numbers, or is no checkpoint, and code is never run"
        raise SourceError(spec, problem, "save its state_dict alone, best as .safetensors") from error
    except SourceError:
        raise
    except Exception as error:  # damaged files raise whatever their parser trips over
        reason = untrusted.reason(error)[:120]
        raise SourceError(spec, f"{path.name} cannot be read ({reason})", "fetch it again") from error


def _checkpoint(path: Path) -> Any:
    import torch

    # the options of a training script: a plain record, which many checkpoints hold besides their weights
    with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a pickle protocol: what cannot be read raises
        return torch.load(path, map_location="cpu", weights_only=True)


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _flat(found: Any, path: str, level: int) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(found, Mapping) or level > DEEPEST:
        return
    for key, value in found.items():
        name = f"{path}{key}"
        if _is_tensor(value):
            yield name, value
        elif not OTHERS.search(name):
            yield from _flat(value, f"{name}.", level + 1)


def _unnest(found: Any) -> dict[str, Tensor]:
    for _ in range(3):
        if not isinstance(found, Mapping):
            return {}
        inner = next((found[k] for k in NESTED if isinstance(found.get(k), Mapping)), None)
        if inner is None:
            break
        found = inner
    return {str(k): t for k, t in found.items() if _is_tensor(t)}


def _strip(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    def common(prefix: str) -> bool:
        return bool(tensors) and all(name.startswith(prefix) for name in tensors)

    while prefix := next(filter(common, PREFIXES), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
