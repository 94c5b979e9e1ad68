"""`headstart demo`: the main job on real handwriting, twice, with what ships inside the package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

FOLDER = Path("headstart-demo")
ACTS = {
    "paper": "The same handwriting on coloured, ruled paper (ink and paper are drawn by a formula)",
    "plain": "Real handwriting, white on black, 8 x 8 pixels (scikit-learn's digits, shuffled)",
}
"""Folder -> what is in it, in the order in which it is shown."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "demo",
        help="Handwriting with few labels, the bundled sources: where transfer pays and where not. No network.",
    )(demo_command)


def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the data and the runs.")] = FOLDER,
    seed: Annotated[
        int, typer.Option("--seed", help="Which items are drawn, and everything else.", min=0)
    ] = 0,
    budget: Annotated[str, typer.Option("--budget", "-b", help="Time to spend on both.")] = "130s",
) -> None:
    from headstart import api
    from headstart.cli import _digits
    from headstart.cli.fit import Tell
    from headstart.core.budget import parse_seconds

    draws = {"paper": _digits.on_paper, "plain": _digits.plain}
    runs = {}
    for name, title in ACTS.items():
        data = _digits.write(out / "data" / f"{name}-{seed}", draws[name], seed=seed)
        pictures = _digits.sheet(data, out / f"{name}-{seed}.png")
        sys.stdout.write(
            f"{title}:\n{_digits.PER_CLASS} labels of each class, {_digits.TESTS_PER_CLASS} more kept for the "
            f"test; look at them in {pictures}\n\n"
        )
        with Tell(json_output=False, quiet=False) as story:
            runs[name] = api.fit(
                data,
                listen=story,
                out=out / f"run-{name}-{seed}",
                budget=parse_seconds(budget) / len(ACTS),
                seed=seed,
                augment="glyph",
            )
        sys.stdout.write("\n")
    for name, run in runs.items():
        sys.stdout.write(f"{name:<9} {run.verdict}\n")
    best = runs["paper"].folder
    sys.stdout.write(
        f"next      open {best / 'report.html'}\n          headstart predict {best} YOUR-FILES\n"
    )
