"""Registries: names for leaves. Nothing is imported before it is asked for; duplicates raise.

A package installed beside Headstart adds leaves by entry points of the registry's group:

    [project.entry-points."headstart.tasks"]
    ranking = "my_package.ranking:Ranking"
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headstart.errors import DuplicateName, PluginError, UnknownName

if TYPE_CHECKING:
    from importlib import metadata

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from name to leaf that never overwrites.

    `entries` are leaves, or texts "module:name" (a module alone: the module itself) that are imported when
    first asked for. `group` is that of entry points, which are looked for when a name is not among the
    entries, and when all names are asked for. Raises `UnknownName`, `DuplicateName`, `PluginError`.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, T | str] | None = None, *, group: str = "", listing: str = ""
    ) -> None:
        self.kind, self.group = kind, group
        self._listing = listing
        self._entries: dict[str, Any] = dict(entries or {})
        self._points: dict[str, metadata.EntryPoint] | None = None if group else {}

    def add(self, name: str, entry: T) -> T:
        """Register; raises `DuplicateName`."""
        if name in self._entries:
            raise DuplicateName(self.kind, name)
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> T:
        if name not in self._entries and name not in self.others():
            raise UnknownName(self.kind, name, sorted(self), listing=self._listing)
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = self._loaded(name)
        elif isinstance(entry, str):
            entry = self._entries[name] = found_at(entry)
        leaf: T = entry
        return leaf

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self.others()

    def __iter__(self) -> Iterator[str]:
        return iter(list(dict.fromkeys([*self._entries, *self.others()])))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def own(self) -> list[str]:
        """The names registered here."""
        return [name for name in self._entries if name not in (self._points or {})]

    def others(self) -> Mapping[str, metadata.EntryPoint]:
        """What other packages bring, by name; looked for once."""
        if self._points is None:
            from importlib import metadata  # loads much

            self._points = {}
            for point in metadata.entry_points(group=self.group):
                if point.name in self._entries or point.name in self._points:
                    raise DuplicateName(self.kind, point.name, package=_package(point))
                self._points[point.name] = point
        return self._points

    def _loaded(self, name: str) -> Any:
        point = self.others()[name]
        try:
            return point.load()
        except Exception as error:  # whatever a foreign module raises when it is imported
            raise PluginError(self.kind, name, _package(point), f"{type(error).__name__}: {error}") from error


def found_at(where: str) -> Any:
    """What "module:name" names; of a module alone the module."""
    module, _, name = where.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def _package(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
