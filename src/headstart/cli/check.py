"""headstart check: read every item and say all that is wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape

from headstart import modalities, tasks
from headstart.cli import _options
from headstart.cli._screen import bar, say_json
from headstart.core import words
from headstart.core.words import printable

Source = Annotated[
    str | None,
    typer.Option("--source", "-s", help="Of texts: the source that they must not be too long for. Default: the first on this machine."),
]  # fmt: skip
STYLES: dict[Literal["error", "warning", "note"], str] = {"error": "red", "warning": "yellow", "note": "dim"}


@_options.taking(*_options.READING)
def check_command(
    data: _options.Data, source: Source = None, as_json: _options.AsJson = False, **given: Any
) -> None:
    """Read every item of DATA and say all that is wrong with it, and what to do.

    Exit code 0 when the data can be used, 2 when there are errors.
    """
    from headstart import data as reading
    from headstart.passes import near_duplicates

    options = _options.reading(given)
    dataset = reading.load(data, **options)
    with bar("reading", show=not as_json) as tell:
        report = near_duplicates.check(dataset, source=source, progress=tell)
    if as_json:
        task = dataset.task and dataset.task.to_json()
        say_json({"data": dataset.origin, "task": task, **report.to_json()})
    else:
        console = Console(highlight=False, soft_wrap=True)
        for severity, style in STYLES.items():
            for line in report.grouped(severity):
                shown = escape(printable(line))
                console.print(f"[{style}]{shown}[/]" if console.is_terminal else shown)
        console.print(escape(f"{describe(dataset)}: {verdict(report)}"))
    if report.errors:
        raise typer.Exit(2)


def describe(dataset: Any) -> str:
    """397 images in 2 classes; 1,234 pairs of texts in 3 classes."""
    text = words.count(len(dataset), *modalities.nouns(dataset.modality, pairs=dataset.pairs))
    if dataset.task is None:
        return f"{text} without labels"
    return f"{text} {tasks.for_task(dataset.task).about(dataset.task)}"


def verdict(report: Any) -> str:
    """No errors, 2 warnings, 3 notes."""
    if not report.findings:
        return "nothing to remark"
    errors = words.count(len(report.errors), "error") if report.errors else "no errors"
    return (
        f"{errors}, {words.count(len(report.warnings), 'warning')}, {words.count(len(report.notes), 'note')}"
    )
