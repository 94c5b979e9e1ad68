"""Keeping the store in order: what is in it, what is damaged, what may go.

`root` is `FeatureStore.path`: the folder of all sections.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headstart.core.untrusted import Damaged, field, read_object
from headstart.store.disk import pins, rows
from headstart.store.disk import shard as shards
from headstart.store.disk.catalogue import shard_names
from headstart.store.disk.keys import family
from headstart.store.disk.shard import Shard

SECTION = "section.json"
STALE = 24 * 3600.0
"""Seconds after which an unfinished shard of another machine counts as abandoned."""


@dataclass(frozen=True)
class Table:
    """Columns of one section that are listed, used and given up together."""

    section: str
    family: str
    """"taps", "state:CUT" or "pixels:SIDE"."""
    source: str
    recipe: str
    data: tuple[str, ...]
    """Names of the data sets it was made for."""
    rows: int
    bytes: int
    last_used: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Damage:
    """A shard, or something in its place, that is not what it should be."""

    path: Path
    problem: str


def sections(root: Path) -> list[Path]:
    """The folders of all sections."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and (path / SECTION).is_file())


def tables(root: Path) -> list[Table]:
    """Everything in the store, the most recently used first."""
    found = [table for section in sections(root) for table in _tables(section)]
    return sorted(found, key=lambda t: (-t.last_used, t.source, t.family))


def _tables(section: Path) -> Iterator[Table]:
    about = _about(section)
    grouped: dict[str, list[tuple[Shard, int]]] = {}
    for name in sorted(shard_names(section)):
        shard = shards.read(section / name)
        for column, entry in shard.columns.items() if shard is not None else ():
            grouped.setdefault(family(column), []).append((shard, entry.bytes))  # type: ignore[arg-type]
    for group, members in grouped.items():
        distinct = {shard.path: shard for shard, _ in members}.values()
        yield Table(
            section=section.name,
            family=group,
            source=about.get("source", "") or "-",
            recipe=about.get("recipe", ""),
            data=tuple(sorted({shard.data for shard in distinct if shard.data})),
            rows=sum(len(shard.keys) for shard in distinct),
            bytes=sum(size for _, size in members),
            last_used=pins.last_used(section, group),
        )


def _about(section: Path) -> dict[str, str]:
    """source and recipe of a section, where its record tells them."""
    try:
        found = read_object(section / SECTION)
        return {"source": field(found, "about.source", str), "recipe": field(found, "recipe", str)}
    except (OSError, Damaged):
        return {}


def damaged(root: Path) -> list[Damage]:
    """Shards whose records, indexes or sizes tell that they are damaged; `verify` reads all of them."""
    found = [section / name for section in sections(root) for name in sorted(shard_names(section))]
    return [Damage(path, problem) for path in found if (problem := _problem(path, thoroughly=False))]


def held(root: Path) -> int:
    """Bytes of all files below `root`, unfinished shards included."""
    total, folders = 0, [str(root)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total


def remove(root: Path, table: Table) -> int:
    """Give up one table, unless somebody uses it; the bytes that were freed."""
    section, freed = root / table.section, 0
    with pins.unpinned(section, table.family) as free:
        if not free:
            return 0
        for name in shard_names(section):
            freed += _remove_from(section / name, table.family)
        pins.mark_of(section, table.family).unlink(missing_ok=True)
    rows.forget_maps()
    with contextlib.suppress(OSError):
        # else somebody uses another table, or is writing one
        if [path.name for path in section.iterdir()] == [SECTION]:
            (section / SECTION).unlink()
            section.rmdir()
    return freed


def in_use(root: Path, table: Table) -> bool:
    """Whether some process has pinned the table."""
    with pins.unpinned(root / table.section, table.family) as free:
        return not free


def _remove_from(path: Path, group: str) -> int:
    shard = shards.read(path)
    if shard is None:
        return 0
    going = {name: column for name, column in shard.columns.items() if family(name) == group}
    if len(going) == len(shard.columns):
        shutil.rmtree(path, ignore_errors=True)
    else:
        for column in going.values():
            with contextlib.suppress(OSError):
                (path / column.file).unlink()
    return sum(column.bytes for column in going.values())


def clear(root: Path, chosen: Callable[[Table], bool] = lambda _: True) -> tuple[int, list[Table]]:
    """Give up the chosen tables: (bytes freed, tables that stay because they are in use)."""
    freed, kept = 0, []
    for table in filter(chosen, tables(root)):
        if in_use(root, table):
            kept.append(table)
        else:
            freed += remove(root, table)
    return freed, kept


def verify(
    root: Path, *, repair: bool = False, progress: Callable[[int, int], None] | None = None
) -> tuple[int, list[Damage]]:
    """Read every file of every shard against its checksum: (shards looked at, damaged ones).

    With `repair` damaged shards are removed; their rows are computed again when they are asked for.
    """
    found = [section / name for section in sections(root) for name in sorted(shard_names(section))]
    damaged = []
    for number, path in enumerate(found):
        problem = _problem(path)
        if problem:
            damaged.append(Damage(path, problem))
            if repair:
                shutil.rmtree(path, ignore_errors=True)
        if progress is not None:
            progress(number + 1, len(found))
    if repair:
        rows.forget_maps()
    return len(found), damaged


def _problem(path: Path, *, thoroughly: bool = True) -> str:
    """What is wrong with a shard; "" for a sound one."""
    try:
        _, columns, _ = shards.record(path)
    except OSError as error:
        return f"{shards.RECORD} cannot be read ({error.strerror or error})"
    except Damaged as error:
        return f"{shards.RECORD} is damaged ({error})"
    shard = shards.read(path)
    if shard is None or (thoroughly and not shards.as_written(path, shard.index, again=True)):
        return f"{shards.INDEX} is not what was written"
    for name, column in columns.items():
        # a column that was given up has no file; one with another size is damaged
        if name not in shard.columns and (path / column.file).exists():
            return f"{column.file} was cut off, or has grown"
        if name in shard.columns and thoroughly and not shards.as_written(path, column, again=True):
            return f"{column.file} is not what was written"
    return ""


def sweep(root: Path) -> int:
    """Remove unfinished shards and locks that dead processes left; how many."""
    swept = 0
    for section in [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []:
        for path in section.glob(f"{shards.TEMPORARY}*"):
            if _abandoned(path):
                shutil.rmtree(path, ignore_errors=True)
                swept += 1
    for lock in (root / "locks").glob("*.lock"):
        with contextlib.suppress(OSError):
            if time.time() - lock.stat().st_mtime > STALE:
                lock.unlink()
    return swept


def _abandoned(path: Path) -> bool:
    """Whether the process that was writing there is gone, or cannot be asked and is long silent."""
    import psutil

    machine, process = path.name.removeprefix(shards.TEMPORARY).split("-")[:2]
    try:
        if machine == shards.host() and process.isdigit():
            return not psutil.pid_exists(int(process))
        return time.time() - path.stat().st_mtime > STALE
    except OSError:
        return False
