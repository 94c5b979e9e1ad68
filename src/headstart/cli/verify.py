"""`headstart verify`: does this model still give the answers it was saved with?"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from headstart.cli.predict import ModelPath

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help="Check a model's files and let it answer its stored probes.")(verify_command)


def verify_command(model: ModelPath, json_output: Json = False) -> None:
    from headstart.export.bundle import verify

    report = verify(model)
    if json_output:
        sys.stdout.write(json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    else:
        word = "as saved" if report.passed else "DIFFERENT from what was saved"
        sys.stdout.write(
            f"files     whole (sha256), format and recipe known\n"
            f"answers   {word}: {report.probes} probes, largest difference {report.worst:.2g} "
            f"(allowed {report.allowed:.2g})\n"
            f"model     {report.task}{f', from {report.source}' if report.source else ''}, "
            f"fingerprint {report.fingerprint[:12]}\n"
        )
    if not report.passed:
        raise typer.Exit(2)
