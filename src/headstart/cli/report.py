"""`headstart report`: a finished run once more, as text, JSON or its page."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from headstart.errors import BadOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", help="Show a finished run: leaderboard, verdict, where its page lies.")(
        report_command
    )


def report_command(
    run: Annotated[Path, typer.Argument(help="Run folder that `headstart fit` printed.")],
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    from headstart import api
    from headstart.cli.fit import print_json
    from headstart.core.events import Event
    from headstart.report.terminal import Story

    if format not in ("text", "json"):
        raise BadOption("--format", format, "text or json")
    found = api.open_run(run)
    if format == "json":
        print_json({"run": str(found.folder), **found.record})
        return
    answer, story = found.record["answer"], Story()
    story(Event("data", found.record["data"]))
    rows = {
        "rows": answer["rows"],
        "metric": found.record["task"]["metric"],
        "reference": answer["reference"],
    }
    story(Event("leaderboard", rows))
    story(Event("verdict", answer["verdict"]))
    story(Event("report", {"path": str(found.report())}))
    if open_page and not webbrowser.open(found.report().resolve().as_uri()):
        sys.stderr.write("headstart: no browser could be opened; open the page by hand\n")
