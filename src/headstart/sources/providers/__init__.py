"""Where sources come from: one file a provider, imported when its prefix is used.

A provider is a module with

* `find(spec, name) -> Source`: the record; no weights are loaded, no socket is opened;
* `describe(spec, name) -> Source`: the same without what takes a moment to find out;
* `load(source, *, download) -> Backbone`: raises `WeightsMissing` when the weights are not on this
  machine and may not be fetched;
* `names() -> Sequence[str]`: every name it knows (for `--search`).

To add a provider: its file, its line here, and in `MODALITIES` when it has no images.
"""

from __future__ import annotations

import importlib
from typing import Any

from headstart.errors import SourceError, near

PROVIDERS = {
    "bundled/": "headstart.sources.providers.bundled",
    "timm/": "headstart.sources.providers.timm",
    "torchvision/": "headstart.sources.providers.torchvision",
    "file:": "headstart.sources.providers.file",
    "package/": "headstart.sources.providers.package",
    "hf/": "headstart.sources.providers.hf",
    "hf:": "headstart.sources.providers.hf",
    "vectors:": "headstart.sources.providers.vectors",
}
"""Prefix of a spec -> module."""
MODALITIES = {
    "package/": ("text",),
    "hf/": ("text",),
    "hf:": ("text",),
    "vectors:": ("text",),
    "file:": ("image", "text"),
}
"""Prefix -> what its models read, where that is not images."""


def modalities(prefix: str) -> tuple[str, ...]:
    """What the models of a provider read."""
    return MODALITIES.get(prefix, ("image",))


def of(spec: str) -> tuple[Any, str]:
    """The provider of a spec, and the name without its prefix. Raises `SourceError`."""
    for prefix, module in PROVIDERS.items():
        if spec.startswith(prefix) and len(spec) > len(prefix):
            return importlib.import_module(module), spec[len(prefix) :]
    guess = near(spec.partition("/")[0] + "/", PROVIDERS) if "/" in spec else f", for example timm/{spec}"
    raise SourceError(
        spec,
        f"a source is written bundled/NAME, timm/NAME, torchvision/NAME, hf/NAME, package/NAME, "
        f"vectors:PATH or file:PATH{guess}",
        "list them with `headstart sources`",
    )
