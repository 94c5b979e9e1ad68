"""`headstart sources`: which pretrained models there are, and which of them are on this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli._options import AsJson
from headstart.cli._screen import aligned, say, say_json
from headstart.errors import BadOption
from headstart.modalities import MODALITIES

if TYPE_CHECKING:
    from headstart.core.source import Source

Search = Annotated[
    str,
    typer.Option(
        "--search",
        help="Part of a name, or a pattern (timm/mobilenet*, hf/*bert*); looks in all libraries (of hf/: "
        "recommended and cached ones).",
    ),
]
Modality = Annotated[
    str,
    typer.Option(
        "--modality", help=f"Kind of data: {' or '.join(MODALITIES.own())}; all of them when not said."
    ),
]
Local = Annotated[bool, typer.Option("--local", help="Only those whose weights are on this machine.")]


def sources_command(
    search: Search = "", modality: Modality = "", local: Local = False, json_output: AsJson = False
) -> None:
    """List pretrained models: installed, recommended, or found by name."""
    from headstart import sources

    if modality and modality not in MODALITIES:
        raise BadOption("--modality", modality, " or ".join(MODALITIES))
    kinds = [modality] if modality else MODALITIES
    found = [source for kind in kinds for source in sources.available(search, kind, local)]
    if json_output:
        say_json([as_json(s) for s in found])
        return
    if not found:
        where = " on this machine" if local else ""
        wanted = f" matches {search!r}" if search else " is"
        sys.stdout.write(f"no source{wanted}{where}; try another --search TEXT\n")
        return
    say(aligned([HEAD, *map(_row, found)], right=(1, 2, 4)))
    sys.stdout.write(closing(found, search))


def as_json(source: Source) -> dict[str, Any]:
    """The record with its spec, without what only rebuilds it; labels by their number."""
    record = asdict(source)
    record["labels"] = None if source.labels is None else len(source.labels)
    record["input"] = source.input.to_json()  # of a tokenizer its fingerprint
    return record


HEAD = ("source", "parameters", "input", "licence", "accuracy", "here")


def _row(source: Source) -> tuple[str, ...]:
    licence, more, _ = (source.licence or "not stated").partition(";")
    return (
        source.spec,
        f"{source.parameters / 1e6:.1f} M" if source.parameters else "-",
        source.input.wants(),
        f"{licence} *" if more else licence,  # what is told below the table
        f"{100 * source.prior:.1f} %" if source.prior is not None else "-",
        "yes" if source.local else "no",
    )


def closing(found: list[Source], search: str) -> str:
    """What the columns mean, and what to do next."""
    told: dict[str, list[str]] = {}
    for source in found:
        if ";" in (source.licence or ""):
            told.setdefault(source.licence or "", []).append(source.spec)
    text = "".join(f"\n* {', '.join(specs)}: {licence}" for licence, specs in told.items())
    text += "\n" if told else ""
    text += f"\n{sum(s.local for s in found)} of {len(found)} on this machine"
    if any(source.prior is not None for source in found):
        text += "; accuracy: published, top-1 on ImageNet-1k"
    text += ".\nUse one: headstart fit DATA --source NAME"
    text += " (with --download to fetch its weights).\n" if not all(s.local for s in found) else "\n"
    if not search:
        text += (
            "More: headstart sources --search TEXT; your own: --source file:PATH, hf:FOLDER, vectors:PATH.\n"
        )
    return text
