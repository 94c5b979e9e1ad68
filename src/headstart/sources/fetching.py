"""Weight files in the caches of their hubs; the network is touched only when it is allowed."""

from __future__ import annotations

import os
import re
import sys
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
    if not allowed(download):
        raise missing(source)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, name))
    except Exception as error:  # offline, refused, renamed: whatever the hub's client raises
        raise _failed(source, error) from error


def fetch_file(url: str, source: Source, download: bool) -> Path:
    """Fetch a file into torch's hub folder, its hash checked before it is kept."""
    if not allowed(download):
        raise missing(source)
    import torch

    folder = torch_hub_folder()
    path = folder / url.rpartition("/")[2]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix(url), progress=False)
    except Exception as error:
        raise _failed(source, error) from error
    return path


def missing(source: Source) -> WeightsMissing:
    """What to raise when weights are not here and may not be fetched."""
    if source.size_bytes is None:
        return WeightsMissing(source.spec)
    return WeightsMissing(source.spec, size=f"about {words.size(source.size_bytes)}")


def _failed(source: Source, error: Exception) -> SourceError:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return SourceError(
        source.spec,
        f"its weights could not be fetched ({reason})",
        "try again when the network is there, or name a local file with --source file:PATH",
    )
