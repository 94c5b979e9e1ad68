"""Registries: names for leaves. Duplicates raise; unknown names suggest near ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from headstart.errors import DuplicateName, UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from name to leaf that never overwrites."""

    def __init__(self, kind: str, *, listing: str = "") -> None:
        self.kind = kind
        self._listing = listing
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Register; raises `DuplicateName`."""
        if name in self._entries:
            raise DuplicateName(self.kind, name)
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownName(self.kind, name, sorted(self._entries), listing=self._listing) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
