"""`headstart predict`: a model's answers for files, as a table, CSV or JSON."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli import _options
from headstart.cli._options import ModelPath
from headstart.cli._screen import bar, some_of, warn, writable
from headstart.errors import BadOption, HeadstartError

if TYPE_CHECKING:
    from headstart.core.dataset import Item
    from headstart.export.model import LoadedModel

MaybeFiles = Annotated[
    list[str] | None, typer.Argument(metavar="[FILES...]", help=_options.FILES_HELP, show_default=False)
]
Texts = Annotated[
    list[str] | None,
    typer.Option("--text", help="A text itself; give it again for more.", show_default=False),
]
Seconds = Annotated[
    list[str] | None,
    typer.Option("--second", help="The second text of the pair that --text begins.", show_default=False),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        help="table, csv, json, coco for boxes, or parquet: for very many items, a folder of files of 10,000 "
        "answers each; the same command goes on where it was stopped.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write to this file (of parquet: folder), not the screen."),
]
Top = Annotated[int | None, typer.Option("--top", "-k", help="Only the K most probable labels.", min=1)]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Items computed at once.", min=1)]

PARQUET = "parquet"
PREVIEW = 60
"""Characters of a text that the table shows."""


Masks = Annotated[
    Path | None,
    typer.Option("--masks", help="Write the mask of each image into this folder, as PNG with a palette."),
]
DrawnBoxes = Annotated[
    Path | None, typer.Option("--boxes", help="Write each image with its boxes drawn on it into this folder.")
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        metavar="PIXELS",
        help="Cut images with a longer side than this into overlapping tiles, for masks and boxes. Default: "
        "those over twice as large as what the model has learnt from; 0: none.",
        min=0,
        show_default=False,
    ),
]


@_options.taking(*_options.COLUMNS, *_options.ANSWERS, "on")
def predict_command(
    model: ModelPath,
    files: MaybeFiles = None,
    text: Texts = None,
    second: Seconds = None,
    format: Format = "table",
    output: Output = None,
    top: Top = None,
    batch_size: BatchSize = None,
    masks: Masks = None,
    boxes: DrawnBoxes = None,
    tile: Tile = None,
    **given: Any,
) -> None:
    """Predict for images, texts or recordings with a trained model, or an exported one.

    What `headstart export` has written beside the model answers in its place, without loading torch. Unreadable
    files are reported, the rest is predicted. Exit code: 0 when at least one file was, 2 when none was.
    """
    from headstart import light
    from headstart.cli import _rows
    from headstart.predict import drawings, tiles
    from headstart.predict.predictor import adapted, stream, told_unread
    from headstart.predict.selective import Caution

    on = given.pop("on")
    if format == PARQUET:
        others = {"text": text, "adapt": given["adapt"], "masks": masks, "boxes": boxes, "tile": tile}
        in_bulk(model, files or [], output, on, {**given, "top": top, "batch_size": batch_size}, others)
        return
    check_format(format, on)
    loaded = light.of_bundle(model) or _bundle(model)
    sets, risk, adapt = (given.pop(name) for name in _options.ANSWERS)
    caution = Caution.of(loaded.evidence, loaded.task, sets=sets, risk=risk)
    items = inputs(files or [], text or [], second or [], loaded.input.modality, given)
    if isinstance(loaded, light.LightModel) and not loaded.suits(len(items), adapt):
        loaded = _bundle(model)
    tiling = tiles.Tiling.of(loaded.model, tile)
    predictor, told = (loaded.predictor, None) if adapt is None else adapted(loaded.predictor, items, adapt)
    shown = _rows.Shown(top, sets is not None, previews(items, loaded.input.modality, format), told)
    failed: list[tuple[str, str]] = []
    cut: list[Any] = []
    tiled: list[Any] = []
    alone = output is not None or not sys.stdout.isatty()  # the answers do not go to the same screen
    with _destination(output) as write, bar("predict", show=alone) as tell:
        answers = stream(predictor, items, batch_size=batch_size, tiling=tiling)
        rows = _watch(answers, failed, cut, tiled, lambda done: tell(done, len(items)))
        for called, folder in (("masks", masks), ("boxes", boxes)):
            if folder is not None:
                rows = drawings.written(rows, items, loaded.model, folder, called)
        careful = (caution(loaded.task, row) for row in rows)
        for piece in _rows.FORMATS[format](careful, loaded.task, shown):
            write(piece)
    if told is not None:
        warn(f"headstart: {told}\n")
    notes = [some_lost(failed, len(items)), told_unread(cut, len(items)) if cut else ""]
    notes.append("" if tiling is None else tiles.told(tiled, tiling, len(items)))
    warn(*(f"headstart: {note}\n" for note in notes if note))
    if len(failed) == len(items):
        raise typer.Exit(2)


def some_lost(failed: Sequence[tuple[str, str]], items: int) -> str:
    """The sentence about items without an answer; empty where there are none."""
    return f"{len(failed)} of {items} could not be predicted: {some_of(failed)}" if failed else ""


def check_format(format: str, on: str | None) -> None:
    """Raises `BadOption` for what no text is written in, and for workers that nothing is for."""
    from headstart.cli import _rows

    if on is not None:
        raise BadOption("--on", on, "left out, or given with --format parquet, whose files workers make")
    if format not in _rows.FORMATS:
        raise BadOption("--format", format, ", ".join([*_rows.FORMATS, PARQUET]))


def in_bulk(
    model: Path,
    files: Sequence[str],
    output: Path | None,
    on: str | None,
    options: Mapping[str, Any],
    others: Mapping[str, Any],
) -> None:
    """Answers as a folder of Parquet files. Raises `BadOption` for one of the `others`, which must be left out."""
    from headstart import bulk
    from headstart.core import words

    for name, value in others.items():
        if value:
            raise BadOption(f"--{name}", value, "left out with --format parquet")
    if output is None:
        raise BadOption("--output", "left out", "a folder for the files, with --format parquet")
    options = {name: value for name, value in options.items() if name not in others}
    paths: list[Path | str] = []
    for one in _options.paths(files):
        if not isinstance(one, Path):
            raise BadOption("FILES", one.id, "paths, with --format parquet")
        paths.append(one)
    with bar("predict") as tell:
        found = bulk.predict(
            model, paths, output, on=on, progress=lambda _, done, total: tell(done, total), **options
        )
    before = found.files - found.computed
    warn(
        f"headstart: {words.count(found.items, 'answer')} in {words.count(found.files, 'file')} in {found.folder}"
        + (f", of which {before} were there already\n" if before else "\n")
    )
    if found.failed:
        first = some_of(found.first, most=len(found.first))
        warn(f"headstart: {found.failed:,} of {found.items:,} could not be predicted: {first}\n")
    if found.failed == found.items:
        raise typer.Exit(2)


def _bundle(model: Path) -> LoadedModel:
    from headstart.export.model import load_model

    return load_model(model)


def inputs(
    files: Sequence[str],
    texts: Sequence[str],
    seconds: Sequence[str],
    modality: str,
    columns: Mapping[str, str | None],
) -> tuple[Item, ...]:
    """What is to be predicted, files first. Raises `BadOption` for options that do not go together."""
    from headstart import modalities
    from headstart.core.dataset import TextItem
    from headstart.predict.inputs import items_of

    in_words = modalities.get(modality).IN_WORDS
    if texts and not in_words:
        raise BadOption("--text", texts[0], f"left out: this model reads {modalities.nouns(modality)[1]}")
    if seconds and len(seconds) != len(texts):
        raise BadOption(
            "--second", f"given {len(seconds)} times", f"given once for each --text ({len(texts)})"
        )
    if not files and not texts:
        raise BadOption("FILES", "left out", "files or folders" + (", or --text" if in_words else ""))
    pairs = zip_longest(texts, seconds)
    given = [TextItem(f"text {number}", *pair) for number, pair in enumerate(pairs, start=1)]
    return (*(items_of(_options.paths(files), modality, **columns) if files else ()), *given)


def previews(items: Sequence[Item], modality: str, format: str) -> tuple[str, ...] | None:
    """The beginning of each text, for the table; None where it is not shown. Unreadable ones are empty."""
    from headstart import modalities

    room, found = modalities.get(modality), []
    if not room.IN_LINES or format != "table":
        return None
    for item in items:
        try:
            found.append(room.beginning(item.read(), PREVIEW))
        except (OSError, HeadstartError):
            found.append("")
    return tuple(found)


def _watch(
    rows: Iterable[Any],
    failed: list[tuple[str, str]],
    cut: list[Any],
    tiled: list[Any],
    tell: Callable[[int], None],
) -> Iterator[Any]:
    for done, row in enumerate(rows, start=1):
        if row.error:
            failed.append((row.id, row.error))
        if row.unread:
            cut.append(row)
        if row.tiles > 1:
            tiled.append(replace(row, answer=None, scores=None))  # kept small
        tell(done)
        yield row


@contextlib.contextmanager
def _destination(output: Path | None) -> Iterator[Callable[[str], Any]]:
    """Where text goes: the screen, or a file that appears only when it is complete."""
    if output is None:
        yield sys.stdout.write
        return
    from headstart.core.files import open_atomic

    with open_atomic(writable(output)) as file:
        yield lambda text: file.write(text.encode())
