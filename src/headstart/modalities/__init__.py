"""What differs between kinds of data, and nothing else: one module each, found by its name.

A modality is a package with what `headstart.modalities.base.Modality` lists, and a class of its own for how
sources want its items (`headstart.core.source.Preprocessing`). To add one: its package, and its line in
`MODALITIES`; in a package of your own it is an entry point of the group "headstart.modalities".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from headstart.core.registry import Registry
from headstart.errors import ItemError

if TYPE_CHECKING:
    from headstart.core.dataset import Item
    from headstart.core.source import Preprocessing
    from headstart.modalities.base import Modality

MODALITIES: Registry[Modality] = Registry(
    "modality",
    {
        "image": "headstart.modalities.image",
        "text": "headstart.modalities.text",
        "audio": "headstart.modalities.audio",
        "table": "headstart.modalities.table",
    },
    group="headstart.modalities",
)
"""Name, as in `Dataset.modality` -> package."""


def get(name: str) -> Modality:
    """The modality of that name. Raises `UnknownName`."""
    return MODALITIES[name]


def nouns(name: str, *, pairs: bool = False) -> tuple[str, str]:
    """What an item is called, and several of them: ("text", "texts"); of pairs ("pair of texts", ...).

    Raises `UnknownName`.
    """
    noun = get(name).NOUN
    return (f"pair of {noun}s", f"pairs of {noun}s") if pairs else (noun, f"{noun}s")


def one(name: str) -> str:
    """An item with its article: "an image". Raises `UnknownName`."""
    noun = get(name).NOUN
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


@cache
def endings() -> frozenset[str]:
    """Of all files that are taken for items."""
    return frozenset().union(*(get(name).SUFFIXES for name in MODALITIES))


def of_ending(ending: str) -> str:
    """The modality of files with that ending; "" where there is none."""
    return next((name for name in MODALITIES if ending in get(name).SUFFIXES), "")


def of_content(data: bytes) -> str:
    """The modality of the content of a file, by how it begins; "" where none of them knows it."""
    start = bytes(data[:64])
    return next((name for name in MODALITIES if not get(name).IN_WORDS and get(name).begins(start)), "")


def of_object(entry: Any) -> str:
    """The modality of something in memory that is neither a path nor bytes; "" where it is none for sure."""
    return next((name for name in MODALITIES if not get(name).IN_WORDS and get(name).holds(entry)), "")


def named_in(said: Mapping[str, Any]) -> str:
    """The modality of a preprocessing's JSON, or of a run's; that of images need not say it."""
    return str(said.get("modality", "image"))


def preprocessing_of(said: Mapping[str, Any]) -> type[Preprocessing]:
    """The class of a preprocessing's JSON: it audits and reads it. Raises `UnknownName`."""
    return get(named_in(said)).PREPROCESSING


def longest(items: Iterable[Item], contract: Preprocessing) -> int:
    """Tokens of the longest item as far as the source reads it; items that cannot be read do not count."""
    most, count = 1, get(contract.modality).count
    for item in items:
        try:
            most = max(most, count(item.read(), contract).read)
        except (OSError, ItemError):
            continue
    return most
