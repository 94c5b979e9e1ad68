"""`headstart cache`: what the feature store holds, making room in it, and checking it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli._options import AsJson
from headstart.cli._screen import aligned, bar, say, say_json
from headstart.core import words
from headstart.errors import BadOption, UnknownName

if TYPE_CHECKING:
    from headstart.store.upkeep import Table


group = typer.Typer(
    name="cache", help="Stored features: list them, clear them, check them.", no_args_is_help=True
)

HEAD = ("source", "what", "data", "rows", "size", "last used")


@group.command("list")
def list_command(as_json: AsJson = False) -> None:
    """What is stored, for which source and data, how large, and when it was last used."""
    from headstart.store import upkeep
    from headstart.store.store import FeatureStore

    store = FeatureStore.default()
    tables = upkeep.tables(store.path)
    held, cap, damaged = store.held(), store.cap(), upkeep.damaged(store.path)
    if as_json:
        found = {"tables": list(map(vars, tables)), "damaged": list(map(vars, damaged))}
        say_json({"root": store.root, "bytes": held, "cap": cap, **found})
        return
    if tables:
        say(aligned([HEAD, *map(_row, tables)], right=(3, 4)))
    for damage in damaged:
        say([f"damaged, so it does not count: {damage.path}: {damage.problem}\n"])
    if damaged:
        say(["remove what is damaged with `headstart cache verify --repair`\n"])
    sys.stdout.write(f"{store.root}: {words.size(held)} of at most {words.size(cap)}\n")


@group.command("clear")
def clear_command(
    older_than: Annotated[
        float | None, typer.Option(help="Only what was not used for so many days.", metavar="DAYS")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help='Only of this source, as `cache list` names it ("pixels" too).')
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove stored features. They are computed again when they are needed; what is in use stays."""
    from headstart.store import upkeep
    from headstart.store.store import FeatureStore

    if older_than is not None and older_than < 0:
        raise BadOption("--older-than", older_than, "a number of days from 0")
    store = FeatureStore.default()
    tables = upkeep.tables(store.path)
    names = sorted({table.source for table in tables})
    if source is not None and source not in names:
        raise UnknownName("stored source", source, names, listing="headstart cache list")
    before = time.time() - 86_400 * (older_than or 0.0)

    def chosen(table: Table) -> bool:
        return (source is None or table.source == source) and (
            older_than is None or table.last_used <= before
        )

    going = [table for table in tables if chosen(table)]
    upkeep.sweep(store.path)
    if not going:
        sys.stdout.write(f"{store.root}: nothing to remove\n")
        return
    size = words.size(sum(table.bytes for table in going))
    if not yes and not sys.stdin.isatty():
        raise BadOption("--yes", "not given", "given where nobody can be asked")
    if not yes and not typer.confirm(
        f"Remove {words.count(len(going), 'table')} ({size}) from {store.root}?"
    ):
        sys.stdout.write("nothing was removed\n")
        raise typer.Exit(1)
    freed, kept = upkeep.clear(store.path, chosen)
    sys.stdout.write(f"{store.root}: {words.size(freed)} freed\n")
    for table in kept:
        say([f"kept, because a process is using it: {table.source} {table.family}\n"])


@group.command("verify")
def verify_command(
    repair: Annotated[bool, typer.Option("--repair", help="Remove what is damaged.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read every stored file against its checksum. Exit code 2 when something is damaged and stays."""
    from headstart.store import upkeep
    from headstart.store.store import FeatureStore

    store = FeatureStore.default()
    with bar("verify", show=not as_json) as tell:
        looked, damaged = upkeep.verify(store.path, repair=repair, progress=tell)
    if as_json:
        found = list(map(vars, damaged))
        say_json({"root": store.root, "shards": looked, "damaged": found, "repaired": repair})
    else:
        for damage in damaged:
            say([f"{damage.path}: {damage.problem}{'; removed' if repair else ''}\n"])
        verdict = "all as they were written"
        if damaged:
            verdict = f"{len(damaged)} damaged" + (
                ", removed: their rows are computed again when needed"
                if repair
                else "; remove them with `headstart cache verify --repair`"
            )
        sys.stdout.write(f"{store.root}: {words.count(looked, 'shard')}, {verdict}\n")
    if damaged and not repair:
        raise typer.Exit(2)


def _row(table: Table) -> tuple[str, ...]:
    what = table.family + (f" ({table.recipe})" if table.recipe else "")
    size, used = words.size(table.bytes), _ago(table.last_used)
    return tuple(
        map(words.cell, (table.source, what, words.few(table.data, 3), f"{table.rows:,}", size, used))
    )


def _ago(moment: float) -> str:
    seconds = max(0.0, time.time() - moment)
    if not moment:
        return "-"
    if seconds < 3600:
        return f"{words.count(int(seconds // 60), 'minute')} ago"
    if seconds < 86_400:
        return f"{words.count(int(seconds // 3600), 'hour')} ago"
    return f"{words.count(int(seconds // 86_400), 'day')} ago"
