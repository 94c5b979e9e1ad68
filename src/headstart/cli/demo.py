"""`headstart demo`: the main job on real handwriting, with what ships inside the package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

PER_CLASS = 10
"""Labels of each class that the demo may learn from."""
TESTS_PER_CLASS = 50
FOLDER = Path("headstart-demo")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "demo", help="Handwriting with few labels, the bundled sources, an honest verdict. No network."
    )(demo_command)


def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the data and the run.")] = FOLDER,
    seed: Annotated[
        int, typer.Option("--seed", help="Which items are drawn, and everything else.", min=0)
    ] = 0,
    budget: Annotated[str, typer.Option("--budget", "-b", help="Time to spend.")] = "120s",
) -> None:
    from headstart import api
    from headstart.cli.fit import Tell

    digits = write_digits(out / "digits", seed=seed)
    sys.stdout.write(
        f"Real handwriting: {PER_CLASS} labelled digits of each class, {TESTS_PER_CLASS} more kept for the test\n"
        f"(scikit-learn's digits, shuffled, as pictures in {digits}).\n\n"
    )
    story = Tell(json_output=False, quiet=False)
    with story:
        run = api.fit(
            digits, listen=story, out=out / f"run-{seed}", budget=budget, seed=seed, augment="glyph"
        )
    story.finish(run.folder)


def write_digits(folder: Path, *, seed: int) -> Path:
    """scikit-learn's digits as class folders of 8 x 8 pictures, `train` and `test`; written once a seed.

    The rows of that data set come writer by writer, so they are shuffled before they are drawn.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    target = folder / f"draw-{seed}"
    order = np.random.default_rng(seed).permutation(len(labels))
    for digit in range(10):
        rows = order[labels[order] == digit][: PER_CLASS + TESTS_PER_CLASS]
        for place, row in enumerate(rows):
            part = "train" if place < PER_CLASS else "test"
            path = target / part / str(digit) / f"{row:04d}.png"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.round(images[row].reshape(8, 8) * (255 / 16)).astype(np.uint8)
                Image.fromarray(pixels).save(path)
    return target
