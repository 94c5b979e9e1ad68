"""Several sources by one pattern: timm/mobilenet*, hf/*bert*, file:weights/*.safetensors."""

from __future__ import annotations

import glob
from pathlib import Path

from headstart import modalities, sources
from headstart.core.source import Source
from headstart.errors import SourceError, near
from headstart.sources import providers

SIGNS = frozenset("*?[")


def is_pattern(spec: str) -> bool:
    """Whether it may stand for several sources. What follows the ? of a path are its options, and what is
    there under that very path is no pattern."""
    prefix, colon, path = spec.partition(":")
    if not (colon and f"{prefix}:" in providers.PROVIDERS):
        return bool(SIGNS & set(spec))
    path = path.partition("?")[0]
    return bool(SIGNS & set(path)) and not Path(path).expanduser().exists()


def matching(pattern: str, modality: str, broken: list[tuple[str, str]]) -> list[Source]:
    """The sources of a kind of data that match, as their provider orders them; of paths by name.

    No weights are loaded, no socket is opened. Paths that match and are no source of which anything can be
    told go to `broken`, with the reason. Raises `SourceError` where nothing matches, with the names that are
    nearest.
    """
    prefix, colon, path = pattern.partition(":")
    if colon and f"{prefix}:" in providers.PROVIDERS:
        path, query, options = path.partition("?")
        paths = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - as it was written
        found, known = [], []
        for one in paths:
            try:
                source = sources.find(f"{prefix}:{one}{query}{options}")
            except SourceError as error:
                broken.append((f"{prefix}:{one}", str(error)))
                continue
            found += [source] if source.modality in ("", modality) else []
    else:
        found = sources.available(pattern, modality)
        known = [] if found else [source.spec for source in sources.available("*", modality)]
    if not found and not broken:
        name = "".join(sign for sign in pattern if sign not in SIGNS)
        problem = f"no source of {modalities.nouns(modality)[1]} matches it{near(name, known)}"
        raise SourceError(pattern, problem, "list them with `headstart sources --search TEXT`")
    return found
