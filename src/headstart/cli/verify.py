"""`headstart verify`: does this model still give the answers it was saved with?"""

from __future__ import annotations

import typer

from headstart.cli._options import AsJson, ModelPath
from headstart.cli._screen import say, say_json


def verify_command(model: ModelPath, json_output: AsJson = False) -> None:
    """Check a model's files and let it answer its stored probes."""
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
