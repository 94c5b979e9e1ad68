"""`headstart adapt`: a finished run brought to unlabelled items of where it will be used, on evidence only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli import _options
from headstart.cli._options import Files, paths
from headstart.cli._screen import say, say_json, warn

if TYPE_CHECKING:
    from headstart.core.events import Event
    from headstart.workflows.adapt import Adaptation


@_options.taking(*_options.COLUMNS)
def adapt_command(
    run: _options.RunPath,
    unlabelled: Files,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            help="Labelled items of the target, read as fit reads data; looked at when all is decided.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the new run. Default: RUN-adapted.", show_default=False),
    ] = None,
    budget: Annotated[str, typer.Option("--budget", "-b", help="Time to spend: 90s, 5min.")] = "5min",
    data: _options.Moved = None,
    seed: _options.Seed = 0,
    download: _options.Download = False,
    as_json: _options.AsJson = False,
    **columns: Any,
) -> None:
    """Adapt a run to unlabelled items of another domain, if there is evidence that it would help.

    The shift is measured, adapters are tried within the time, the cheapest first, and rules decide without a label
    of the target; "do not adapt" is an answer, and the new run then has the untouched model. A stopped call goes on when
    the same command is given again.
    """
    from headstart import api

    def listen(event: Event) -> None:
        if event.kind == "note" and not as_json:
            sys.stderr.write(f"{event.data['label']}: {event.data['text']}\n")

    found = api.adapt(
        run, paths(unlabelled), labels=labels, out=out, budget=budget, labelled=data, seed=seed, download=download,
        listen=listen, **columns,
    )  # fmt: skip
    if as_json:
        say_json(found.to_json())
    else:
        say(text(found))
    if found.record["target"]["unreadable"]:
        warn(f"headstart: {found.record['target']['unreadable']:,} items cannot be read and are left out\n")


def text(found: Adaptation) -> Iterator[str]:
    """The decision with its reason, and what was measured of each adapter."""
    record = found.record
    shift = record["shift"]
    yield f"transfer  {record['kind_of_transfer']}\n"
    if shift is not None:
        yield f"shift     domain AUC {shift['auc']:.2f}, class shares {shift['variation']:.0%} apart\n"
    yield f"decision  {found.decision}\n"
    yield f"reason    {found.reason}\n"
    gain = record["expected_gain"]
    if gain is not None and shift is not None:
        low, value, high = (f"{100 * gain[name]:+.1f}" for name in ("low", "value", "high"))
        yield f"expected  {value} points ({low} to {high})\n"
    if record["labels"] is not None:
        labels = record["labels"]
        if shift is None:
            yield f"labels    {labels['items']:,} of the target: {labels['metric']} on those held out\n"
        else:
            yield f"labels    {labels['items']:,} of the target: {labels['adapter']} {100 * labels['gain']['value']:+.1f} points\n"
        for arm in labels["race"]:
            score = f"{arm['accuracy']:.3f}" if "accuracy" in arm else f"{arm['score']:.3g}"
            yield f"          {arm['name']:<22} {score}\n"
        if labels["suffices"]:
            yield f"suffices  {labels['suffices']}\n"
    yield f"run       {found.folder}\n"
    yield f"page      {found.folder / 'report.html'}\n"
    if found.decision == "kept" and record["labels"] is None:
        yield f"next      headstart label-next {found.folder} TARGET, then give the labels with --labels\n"
    if not record["pool"]:
        return
    yield "\n"
    yield f"{'adapter':<10} {'comes back':>10} {'held out':>9}  why not\n"
    for one in record["pool"]:
        if one["refused"]:
            yield f"{one['adapter']:<10} {'-':>10} {'-':>9}  {one['refused']}\n"
            continue
        failed = [check["text"] for check in record["checks"].get(one["adapter"], ()) if not check["passed"]]
        yield f"{one['adapter']:<10} {one['circular']:>10.3f} {one['source']:>9.3f}  {failed[0] if failed else ''}\n"
