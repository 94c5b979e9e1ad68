"""What differs between kinds of data, and nothing else: one module each, found by its name.

A modality is a module with what `headstart.modalities.base.Modality` lists. To add one: its module, and its
line in `MODALITIES`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from headstart.errors import UnknownName

if TYPE_CHECKING:
    from headstart.modalities.base import Modality

MODALITIES = {
    "image": "headstart.modalities.image",
    "text": "headstart.modalities.text",
}
"""Name, as in `Dataset.modality` -> module, imported on use."""


def get(name: str) -> Modality:
    """The modality of that name. Raises `UnknownName`."""
    if name not in MODALITIES:
        raise UnknownName("modality", name, sorted(MODALITIES))
    return cast("Modality", importlib.import_module(MODALITIES[name]))


def nouns(name: str, *, pairs: bool = False) -> tuple[str, str]:
    """What an item is called, and several of them: ("text", "texts"); of pairs ("pair of texts", ...).

    Raises `UnknownName`.
    """
    noun = get(name).NOUN
    return (f"pair of {noun}s", f"pairs of {noun}s") if pairs else (noun, f"{noun}s")
