"""Weight files in the caches of their hubs; the network is touched only when it is allowed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headstart.core import words
from headstart.core.source import Source
from headstart.errors import SourceError, WeightsMissing


def allowed(download: bool) -> bool:
    """By the caller, or by HEADSTART_DOWNLOAD=1 in the environment."""
    return download or os.environ.get("HEADSTART_DOWNLOAD", "") == "1"


def hub_file(repository: str, name: str) -> Path | None:
    """A file of a hub repository, if it is in the hub's cache."""
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, cache_dir=constants.HF_HUB_CACHE)
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def hub_model(repository: str, revision: str | None = None) -> Path | None:
    """The folder of a model in the hub's cache, if its configuration and weights are there."""
    from huggingface_hub import constants, try_to_load_from_cache

    for name in ("modules.json", "config.json"):
        found = try_to_load_from_cache(
            repository, name, cache_dir=constants.HF_HUB_CACHE, revision=revision or "main"
        )
        root = Path(found).parent if isinstance(found, str) else None
        if root is not None and any(
            WEIGHT.fullmatch(path.name) for path in root.rglob("*") if path.is_file()
        ):
            return root
    return None


def hub_names() -> list[str]:
    """Names of the models in the hub's cache."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    found = [path.name.split("--")[1:] for path in folder.glob("models--*")] if folder.is_dir() else []
    return sorted("/".join(parts) for parts in found)


WEIGHT = re.compile(r"(model(-\d+-of-\d+)?\.safetensors|pytorch_model(-\d+-of-\d+)?\.bin)")
"""Names of weight files, whole or in pieces."""
OTHER = ("onnx", "openvino", "coreml", "gguf", "flax", "tf")
"""Folders of a repository with the same model in another form."""


def wanted(names: Sequence[str]) -> list[str]:
    """Of the files of a repository those that a model needs: no code, no second form of the weights."""
    found = []
    places = sorted({name.rpartition("/")[0] for name in names})
    for place in places:
        if place.partition("/")[0] in OTHER:
            continue
        inside = [name for name in names if name.rpartition("/")[0] == place]
        found += [name for name in inside if name.endswith((".json", ".txt", ".model"))]
        weights = [name for name in inside if WEIGHT.fullmatch(name.rpartition("/")[2])]
        safe = [name for name in weights if name.endswith(".safetensors")]
        found += safe or weights
    return found


def fetch_model(repository: str, revision: str | None, source: Source, download: bool) -> Path:
    """Fetch a model into the hub's cache; gives its folder. Raises `WeightsMissing` or `SourceError`."""
    with _fetching(source, download):
        import huggingface_hub

        names = huggingface_hub.HfApi().list_repo_files(repository, revision=revision)
        patterns = wanted(names)
        return Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))


def torch_hub_file(url: str) -> Path | None:
    """A file fetched by torch.hub before, if it is there."""
    path = torch_hub_folder() / url.rpartition("/")[2]
    return path if path.is_file() else None


def torch_hub_folder() -> Path:
    """Where torch.hub keeps weight files (its own rule, told without importing torch)."""
    if "torch.hub" in sys.modules:
        return Path(sys.modules["torch.hub"].get_dir()) / "checkpoints"
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def hash_prefix(url: str) -> str | None:
    """The beginning of the SHA-256 that names such as resnet18-f37072fd.pth carry."""
    match = re.search(r"-([0-9a-f]{8,64})\.\w+$", url)
    return match[1] if match else None


def fetch_hub(repository: str, name: str, source: Source, download: bool) -> Path:
    """Fetch a file into the hub's cache. Raises `WeightsMissing` or `SourceError`."""
    with _fetching(source, download):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, name))


def fetch_file(url: str, source: Source, download: bool) -> Path:
    """Fetch a file into torch's hub folder, its hash checked before it is kept."""
    with _fetching(source, download):
        import torch

        path = torch_hub_folder() / url.rpartition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix(url), progress=False)
        return path


def missing(source: Source) -> WeightsMissing:
    """What to raise when weights are not here and may not be fetched."""
    if source.size_bytes is None:
        return WeightsMissing(source.spec)
    return WeightsMissing(source.spec, size=f"about {words.size(source.size_bytes)}")


@contextmanager
def _fetching(source: Source, download: bool) -> Iterator[None]:
    """Raises `WeightsMissing` where nothing may be fetched, else `SourceError` for what goes wrong."""
    if not allowed(download):
        raise missing(source)
    try:
        yield
    except Exception as error:  # offline, refused, renamed: whatever the hub's client raises
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        problem = f"its weights could not be fetched ({reason})"
        remedy = "try again when the network is there, or name a local file with --source file:PATH"
        raise SourceError(source.spec, problem, remedy) from error
