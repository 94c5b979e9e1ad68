"""`headstart report`: a finished run once more, as text, Markdown or JSON, or its page drawn again."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli._screen import say, say_json
from headstart.errors import BadOption

if TYPE_CHECKING:
    from headstart.api import Run


FORMATS = ("text", "md", "json", "html")


def report_command(
    run: Annotated[Path, typer.Argument(help="Run folder that `headstart fit` printed.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="text, md, json, or html: draw the page again.")
    ] = "text",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Show a finished run: as text, Markdown or JSON, or its page drawn again."""
    from headstart import api
    from headstart.report import saved

    if format not in FORMATS:
        raise BadOption("--format", format, ", ".join(FORMATS))
    found = api.open_run(run)
    with saved.needed(run):
        shown(found, format)
    if open_page and not webbrowser.open(found.report().resolve().as_uri()):
        sys.stderr.write("headstart: no browser could be opened; open the page by hand\n")


def shown(found: Run, format: str) -> None:
    from headstart.report import markdown, saved

    run = found.folder
    if format == "json":
        say_json({"run": str(found.folder), **found.record, "insight": saved.insight(run) or None})
    elif format == "md":
        say([markdown.render(found.record, saved.insight(run), saved.events(run), saved.pictures(run))])
    elif format == "html":
        sys.stdout.write(f"{found.drawn()}\n")
    else:
        tell(found)


def tell(run: Run) -> None:
    """Leaderboard, verdict and the page's path on the terminal."""
    from headstart.core.events import Event
    from headstart.report.adaptation import lines
    from headstart.report.terminal import Story

    answer, story = run.record["answer"], Story()
    for line in lines(run.record)[:2]:
        story.line("adapted", line)
    story(Event("data", run.record["data"]))
    rows = {"rows": answer["rows"], "metric": run.record["task"]["metric"], "reference": answer["reference"]}
    story(Event("leaderboard", rows))
    story(Event("verdict", answer["verdict"]))
    story(Event("report", {"path": str(run.report())}))
