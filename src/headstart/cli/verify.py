"""`headstart verify`: does this model still give the answers it was saved with?"""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli._options import ModelPath
from headstart.cli._screen import say, say_json

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help="Check a model's files and let it answer its stored probes.")(verify_command)


def verify_command(model: ModelPath, json_output: Json = False) -> None:
    from headstart.export.bundle import verify

    report = verify(model)
    if json_output:
        say_json(report.to_json())
    else:
        word = "as saved" if report.passed else "DIFFERENT from what was saved"
        lines = (
            f"files     whole (sha256), format and recipe known\n"
            f"answers   {word}: {report.probes} probes, largest difference {report.worst:.2g} "
            f"(allowed {report.allowed:.2g})\n"
            f"model     {report.task}{f', from {report.source}' if report.source else ''}, "
            f"fingerprint {report.fingerprint[:12]}\n"
        )
        say([lines])
    if not report.passed:
        raise typer.Exit(2)
