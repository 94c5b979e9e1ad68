"""`headstart rank`: which of several sources to use, from one pass of each over the labelled items."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import headstart.cli._options as options
from headstart.cli._screen import aligned, as_json, say, say_json, writable
from headstart.cli.fit import gather, telling, with_download
from headstart.core import words
from headstart.core.budget import words as seconds_in_words

if TYPE_CHECKING:
    from headstart.ranking.standing import Standing
    from headstart.workflows.rank import Ranking

Also = Annotated[
    list[str] | None,
    typer.Option(
        "--also",
        help="Show a score that decides nothing, in the JSON (repeat it): hscore, transrate, gbc, parc, nleep, leep, nce or all.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write it to this file as well: .html (a page with the intervals drawn) or .json.", show_default=False),
]  # fmt: skip
ASKED = ("source", "quality", "seed", "metric", "engine", *options.READING, "drop_bad", "download")
BAR = 24
"""Signs in which an interval is drawn."""


@options.taking(*ASKED)
def rank_command(
    data: options.Data,
    also: Also = None,
    out: Out = None,
    json_output: options.AsJson = False,
    **given: Any,
) -> None:
    """Rank sources for your data: expected accuracy, ties, cost, and why the next one is not chosen.

    --source may be a pattern in quotes, such as "timm/mobilenet*" or "file:weights/*.safetensors".
    """
    from headstart.core.files import write_atomic
    from headstart.errors import BadOption

    if out is not None and writable(out).suffix not in (".html", ".json"):
        raise BadOption("--out", str(out), "a file that ends in .html or .json")
    with telling(data, shown=not json_output) as story:
        from headstart import api

        found = with_download(partial(api.rank, data, listen=story, also=also or ()), gather(given))
    if out is not None and out.suffix == ".json":
        write_atomic(out, (as_json(found.to_json()) + "\n").encode())
    elif out is not None:
        from headstart.report import ranking

        write_atomic(out, ranking.render(found.to_json()).encode())
    if json_output:
        say_json(found.to_json())
    else:
        say(text(found, str(data)))


def text(found: Ranking, data: str) -> Iterator[str]:
    """The table, what was left out, why the next one is not chosen, and the `fit` that follows."""
    metric = found.task.metric
    ends = [end for row in found for end in (row.expected.low, row.expected.high)]
    low, high = min(ends), max(ends)
    names = words.brief([row.source for row in found])
    head = ("", "source", f"expected {metric}", f"{words.value(metric, low)} to {words.value(metric, high)}",
            "score", "parameters", "licence", "published", "cost")  # fmt: skip
    yield "\n"
    yield from aligned(
        [head, *(_row(row, called, metric, low, high) for row, called in zip(found, names, strict=True))],
        right=(0, 4, 5, 7, 8),
    )
    for spec, reason in found.left_out:
        yield f"  -  {words.cell(spec)}  left out: {words.cell(reason)}\n"
    yield "\n"
    if any(row.tied for row in found):
        yield "=  not told apart from the first on the same items\n"
    yield f"first     {words.cell(found.best)}: {found.rows[0].reason}\n"
    for row in found.rows[1:2]:
        yield f"next      {words.cell(row.source)} is not chosen: {row.reason}\n"
    yield f"use it    headstart fit {shlex.quote(words.cell(data))} --source {shlex.quote(words.cell(found.best))}\n"


def _row(row: Standing, called: str, metric: str, low: float, high: float) -> tuple[str, ...]:
    expected = row.expected
    return (
        f"{row.place}{'=' if row.tied else ' '}",
        words.cell(called),
        f"{words.value(metric, expected.value)} {words.interval(metric, expected.low, expected.high)}",
        bar(expected.value, expected.low, expected.high, (low, high)),
        f"{row.score:.2f}",
        f"{row.parameters / 1e6:.1f} M" if row.parameters else "-",
        (row.licence or "not stated").partition(";")[0],
        f"{100 * row.prior:.1f} %" if row.prior is not None else "-",
        seconds_in_words(row.seconds) + ("" if row.passes else " (stored)"),
    )


def bar(value: float, low: float, high: float, ends: tuple[float, float]) -> str:
    """An interval and its value in signs: `  |-----o--|   `."""
    width = ends[1] - ends[0]

    def at(number: float) -> int:
        return round((BAR - 1) * (number - ends[0]) / width) if width > 0 else 0

    signs = [" "] * BAR
    signs[at(low) : at(high) + 1] = "-" * (at(high) - at(low) + 1)
    signs[at(low)] = signs[at(high)] = "|"
    signs[at(value)] = "o"
    return "".join(signs)
