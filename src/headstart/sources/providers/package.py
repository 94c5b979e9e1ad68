"""`package/NAME`: sources that are packages of their own: files of known digest; none of their code is run.

They are written down in `package.json`. To add one: an `Entry` there, its extra in pyproject.toml and its
version in constraints.txt; and a function that opens its files, where they are of a form that no other has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headstart.core.backbone import Backbone
from headstart.core.source import Source
from headstart.errors import MissingExtra, UnknownName, pip
from headstart.sources.providers import recommended


@dataclass(frozen=True)
class Entry:
    """A package, what of it is read, and what is known of that beforehand."""

    package: str
    """As Python would import it, which is not done."""
    files: Mapping[str, str]
    """Path inside the package -> SHA-256, the weights first: a file that differs is refused. MiniLM's is as
    its authors publish it, the others are as the packages bring them."""
    opener: str
    """Module and function that opens them, given the record and the paths; the digests have been checked."""
    source: Source
    """What is known without the package. Parameters are those of the encoder, without what is not used; the
    licence says after a semicolon where it is known from, if it is not plain; the prior is top-1 on
    ImageNet-1k of the same weights in timm's results table (results-imagenet.csv)."""
    extra: str
    """Of Headstart, which installs it; "" for what is installed with Headstart itself."""


def _read(name: str, line: dict[str, Any]) -> Entry:
    package, files, opener, extra = (line.pop(key, "") for key in ("package", "files", "opener", "extra"))
    contract = recommended.contract(line["modality"], line.pop("input"))
    digest = next(iter(files.values()))
    source = Source(f"package/{name}", name, input=contract, sha256=digest, **line)
    return Entry(package, files, opener, source, extra)


_LINES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
TABLE = {name: _read(name, line) for name, line in _LINES.items()}
"""Of each kind of data those first that are worth most."""


def find(spec: str, name: str) -> Source:
    """The record of a packaged source. Raises `UnknownName`; `MissingExtra` when it is not installed."""
    source = describe(spec, name)
    _installed(source)
    return source


def describe(spec: str, name: str) -> Source:
    """The record, also of one that is not installed. Raises `UnknownName`."""
    if name not in TABLE:
        raise UnknownName("packaged source", name, names(), listing="headstart sources")
    entry = TABLE[name]
    paths = _paths(entry)
    source = replace(entry.source, local=bool(paths))
    if not paths or source.architecture:  # else its folder says it
        return source
    from headstart.sources.text.files import folder

    layout = folder.read(paths[0].parent, spec)
    return replace(source, architecture=layout.architecture, input=layout.contract)


def load(source: Source, *, download: bool = False) -> Backbone:  # noqa: ARG001 - it is installed or not
    """The network with its weights, their digests checked. Raises `SourceError`, `MissingExtra`."""
    from headstart.sources.files import weights

    entry, paths = _installed(source)
    module, _, function = entry.opener.partition(":")
    with ExitStack() as at_rest:
        for path, digest in zip(paths, entry.files.values(), strict=True):
            at_rest.enter_context(weights.unchanged(path, source.spec))
            weights.check_sha256(path, digest, source.spec)
        backbone: Backbone = getattr(import_module(module), function)(source, *paths)
        return backbone


def names() -> Sequence[str]:
    """All that this version knows, installed or not."""
    return list(TABLE)


def command(name: str) -> str:
    """What installs it."""
    return pip(TABLE[name].extra)


def _installed(source: Source) -> tuple[Entry, Sequence[Path]]:
    """The line of a source, and its files. Raises `MissingExtra`."""
    entry = TABLE[source.spec.removeprefix("package/")]
    paths = _paths(entry)
    if not paths:
        raise MissingExtra(entry.package, extra=entry.extra, needed_for=f"source {source.spec!r}")
    return entry, paths


def _paths(entry: Entry) -> Sequence[Path]:
    """The files, found without importing the package; none where one of them is not there."""
    found = find_spec(entry.package)
    if found is None or found.origin is None:
        return ()
    paths = [Path(found.origin).parent / name for name in entry.files]
    return paths if all(path.is_file() for path in paths) else ()
