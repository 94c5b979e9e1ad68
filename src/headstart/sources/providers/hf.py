"""`hf/NAME` from the hub of Hugging Face, or `hf:PATH` from a folder: encoders of texts or
of sounds, and detectors, of transformers.

`hf/NAME@REVISION` is one state of a repository. Names in the hub's cache are found without the network;
others are fetched only when that is allowed. A folder of sentence-transformers brings its pooling, its
prefix and its maximum length. A model that needs code of its own is refused: no code is fetched, and none is
run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headstart.core.backbone import Backbone
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.sources.files import fetching
from headstart.sources.files.paths import path_of
from headstart.sources.providers import _folders, recommended
from headstart.sources.text.files import folder

HUB = "hf/"
_PART = r"\w([\w.-]*\w)?"
NAME = re.compile(rf"(?!.*(\.\.|--))(?P<repository>{_PART}(/{_PART})?)(@(?P<revision>[\w./-]+))?", re.ASCII)


def find(spec: str, name: str) -> Source:
    """The record of a model: of one on this machine all that its folder says.

    Raises `SourceError` for a name that cannot be one, and for a folder that is no model.
    """
    if spec.startswith(HUB) and not NAME.fullmatch(name):
        raise SourceError(spec, "a name of the hub is written NAME, OWNER/NAME or OWNER/NAME@REVISION")
    root = _root(spec, name)
    short = name if spec.startswith(HUB) else Path(name).expanduser().resolve().name
    known = _known(spec, short)
    return replace(known, local=False) if root is None else _folders.described(known, root)


def describe(spec: str, name: str) -> Source:
    """The same, but a folder that cannot be used is listed as not being here."""
    try:
        return find(spec, name)
    except SourceError as error:
        return replace(_known(spec, name), local=False, note=str(error))


def _known(spec: str, name: str) -> Source:
    """What is known without the model; of one that is not recommended not even what it reads."""
    return recommended.find(spec) or Source(spec, name, "", input=TextPreprocessing(""))


def files(spec: str, name: str) -> tuple[Path, ...]:
    """Of a folder that is named by its path: those of the hub have revisions. Raises `SourceError`."""
    root = None if spec.startswith(HUB) else _root(spec, name)
    return () if root is None else folder.files(root, spec)


def load(source: Source, *, download: bool = False) -> Backbone:
    """The network with its weights. Raises `SourceError`, `WeightsMissing`, `MissingExtra`."""
    name = source.spec[len(HUB) :]
    root = _root(source.spec, name)
    if root is None:
        root = fetching.fetch_model(*_parts(name), source, download)
        source = _folders.described(source, root)
    return _folders.opened(source, root)


def names() -> Sequence[str]:
    """Recommended ones and those in the hub's cache."""
    known = [spec.removeprefix(HUB) for spec in (*recommended.specs("text"), *recommended.specs("audio"))]
    cached = (
        name
        for name in fetching.hub_names()
        if (root := fetching.hub_model(name)) and _folders.is_usable(root)
    )
    return sorted({*known, *cached})


def _parts(name: str) -> tuple[str, str | None]:
    """Repository and revision."""
    found = NAME.fullmatch(name)
    return (found["repository"], found["revision"]) if found else (name, None)


def _root(spec: str, name: str) -> Path | None:
    """The model's folder, if it is on this machine. Raises `SourceError` for a path that is no folder."""
    if spec.startswith(HUB):
        return fetching.hub_model(*_parts(name))
    root = path_of(name, spec)
    if not root.is_dir():
        what = "is a file" if root.exists() else "is not there"
        raise SourceError(spec, f"{root} {what}", "name the folder of a model of Hugging Face")
    return root
