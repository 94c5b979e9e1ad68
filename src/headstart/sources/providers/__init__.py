"""Where sources come from: one file a provider, imported when its prefix is used.

A provider is a module with

* `find(spec, name) -> Source`: the record; no weights are loaded, no socket is opened;
* `describe(spec, name) -> Source`: the same without what takes a moment to find out, where anything does;
* `load(source, *, download) -> Backbone`: raises `WeightsMissing` when the weights are not on this
  machine and may not be fetched;
* `names() -> Sequence[str]`: every name it knows (for `--search`), unless its models are named by a path.

To add a provider: its file, its line here, and in `MODALITIES` when it has no images. In another package it
is an entry point of the group "headstart.sources", named as the prefix is, with `MODALITIES` in the module.
"""

from __future__ import annotations

from typing import Any

from headstart.core.registry import Registry
from headstart.errors import SourceError, near

PROVIDERS: Registry[Any] = Registry(
    "provider of sources",
    {
        "bundled/": "headstart.sources.providers.bundled",
        "timm/": "headstart.sources.providers.timm",
        "torchvision/": "headstart.sources.providers.torchvision",
        "file:": "headstart.sources.providers.file",
        "package/": "headstart.sources.providers.package",
        "hf/": "headstart.sources.providers.hf",
        "hf:": "headstart.sources.providers.hf",
        "vectors:": "headstart.sources.providers.vectors",
    },
    group="headstart.sources",
)
"""Prefix of a spec -> module."""
MODALITIES = {
    "bundled/": ("image", "audio"),
    "package/": ("image", "text", "audio"),
    "hf/": ("image", "text", "audio"),
    "hf:": ("image", "text", "audio"),
    "vectors:": ("text",),
    "file:": ("image", "text", "audio"),
}
"""Prefix -> what its models read, where that is not images."""


def modalities(prefix: str) -> tuple[str, ...]:
    """What the models of a provider read."""
    if prefix in PROVIDERS.others():
        return tuple(getattr(PROVIDERS[prefix], "MODALITIES", ("image",)))
    return MODALITIES.get(prefix, ("image",))


def of(spec: str) -> tuple[Any, str]:
    """The provider of a spec, and the name without its prefix. Raises `SourceError`."""
    for prefix in PROVIDERS:
        if spec.startswith(prefix) and len(spec) > len(prefix):
            return PROVIDERS[prefix], spec[len(prefix) :]
    guess = near(spec.partition("/")[0] + "/", PROVIDERS) if "/" in spec else f", for example timm/{spec}"
    raise SourceError(
        spec,
        f"a source is written bundled/NAME, timm/NAME, torchvision/NAME, hf/NAME, package/NAME, "
        f"vectors:PATH or file:PATH{guess}",
        "list them with `headstart sources`",
    )
