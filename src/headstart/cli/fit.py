"""`headstart fit` and `headstart plan`: one call, one verdict, one model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import headstart.cli._options as options
from headstart.cli._screen import say_json
from headstart.core.budget import words as seconds_in_words

Sources = Annotated[
    list[str] | None,
    typer.Option("--source", "-s", help="A pretrained model: timm/NAME, torchvision/NAME, bundled/NAME, file:PATH; of texts package/NAME, hf/NAME, hf:PATH, vectors:PATH. Repeat it. Default: what is on this machine."),
]  # fmt: skip
BudgetOption = Annotated[str, typer.Option("--budget", "-b", help="Time to spend: 90s, 10min, 2h.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder. Default: runs/NAME-1, -2, ...")]
Seed = Annotated[
    int, typer.Option("--seed", help="Of splits, augmentation and training.", min=0, max=2**32 - 1)
]
Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        help="Only this one, beside the cheap baselines (repeat it): probe, direct, label-names, contrastive, "
        "finetune, lora, bitfit, full, scratch, random-frozen, pixels, tfidf, majority, and the answers to harm: "
        "early-probe, finetune-slow, stack.",
    ),
]  # fmt: skip
DropBad = Annotated[bool, typer.Option("--drop-bad", help="Go on without the items that have errors.")]
Download = Annotated[
    bool, typer.Option("--download", help="Allow fetching weights that are not on this machine.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the verdict and where things lie.")]
Optimizer = Annotated[str | None, typer.Option("--optimizer", help="sgd or adamw.")]
Lr = Annotated[float | None, typer.Option("--lr", help="Learning rate of the trunk.")]
HeadLr = Annotated[float | None, typer.Option("--head-lr", help="Learning rate of the head.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training part.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Items a step.")]
Freeze = Annotated[
    str | None,
    typer.Option(
        "--freeze", help="Stage up to and including which the trunk stays frozen; none trains everything."
    ),
]
LoraTargets = Annotated[
    str | None,
    typer.Option("--lora-targets", help="Linear layers that LoRA changes, such as query,value; else all."),
]
Augment = Annotated[
    str | None,
    typer.Option(
        "--augment",
        help="Recipe of augmented views: crop-flip, crop, glyph, none; of texts drop-words, none.",
    ),
]
Views = Annotated[
    int | None, typer.Option("--views", help="Augmented views stored of each item.", min=0, max=64)
]
LabelMap = Annotated[
    Path | None, typer.Option("--label-map", help="JSON file {source label: your label} for direct use.")
]


def register(app: typer.Typer) -> None:
    """Add the two commands."""
    app.command("fit", help="Find the best transferred model for your data, and whether transfer helped.")(
        fit_command
    )
    app.command("plan", help="Print the steps `fit` would take and their estimated time.")(plan_command)


def fit_command(
    data: options.Data,
    source: Sources = None,
    budget: BudgetOption = "10min",
    out: Out = None,
    seed: Seed = 0,
    strategy: Strategies = None,
    path_column: options.PathColumn = None,
    text_column: options.TextColumn = None,
    pair_column: options.PairColumn = None,
    label_column: options.LabelColumn = None,
    split_column: options.SplitColumn = None,
    group_column: options.GroupColumn = None,
    task: options.TaskOption = None,
    labels: options.Labels = None,
    missing: options.Missing = None,
    white: options.White = None,
    drop_bad: DropBad = False,
    download: Download = False,
    optimizer: Optimizer = None,
    lr: Lr = None,
    head_lr: HeadLr = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    freeze: Freeze = None,
    augment: Augment = None,
    views: Views = None,
    lora_targets: LoraTargets = None,
    label_map: LabelMap = None,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    from headstart import api

    given = gather(locals(), label_map)
    story = Tell(json_output=json_output, quiet=quiet)
    with story:
        run = with_download(
            lambda allowed: api.fit(data, listen=story, **{**given, "download": allowed}), download
        )
    if json_output:
        say_json({"run": str(run.folder), **run.record})
    elif quiet:
        sys.stdout.write(f"{run.verdict}\n{run.folder}\n")
    else:
        story.finish(run.folder)


def plan_command(
    data: options.Data,
    source: Sources = None,
    budget: BudgetOption = "10min",
    seed: Seed = 0,
    strategy: Strategies = None,
    path_column: options.PathColumn = None,
    text_column: options.TextColumn = None,
    pair_column: options.PairColumn = None,
    label_column: options.LabelColumn = None,
    split_column: options.SplitColumn = None,
    group_column: options.GroupColumn = None,
    task: options.TaskOption = None,
    labels: options.Labels = None,
    missing: options.Missing = None,
    white: options.White = None,
    drop_bad: DropBad = False,
    download: Download = False,
    optimizer: Optimizer = None,
    lr: Lr = None,
    head_lr: HeadLr = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    freeze: Freeze = None,
    augment: Augment = None,
    views: Views = None,
    lora_targets: LoraTargets = None,
    label_map: LabelMap = None,
    json_output: Json = False,
) -> None:
    from headstart import api

    given = gather(locals(), label_map)
    story = Tell(json_output=json_output, quiet=False)
    with story:
        found = with_download(
            lambda allowed: api.plan(data, listen=story, **{**given, "download": allowed}), download
        )
    if json_output:
        say_json(found)
    else:
        sys.stdout.writelines(plan_lines(found))


def plan_lines(found: dict[str, Any]) -> Iterator[str]:
    """The steps with their estimated time, and what is left out, in lines a person reads."""
    for number, step in enumerate(found["steps"], start=1):
        took = (
            ""
            if step["estimate"] is None
            else "about " + seconds_in_words(min(step["estimate"], step["seconds"]))
        )
        yield f"{number:>3}  {step['arm']:<48} {took:<18} {step['reason']}\n"
    for step in found["skipped"]:
        yield f"  -  {step['arm']:<48} {'not run':<18} {step['reason']}\n"
    yield (
        f"about {seconds_in_words(found['seconds'])} of the {seconds_in_words(found['budget'])}; "
        "the plan changes as results come in\n"
    )


def gather(given: dict[str, Any], label_map: Path | None) -> dict[str, Any]:
    """The options as keyword arguments of `headstart.fit`."""
    from headstart.core.untrusted import Damaged, read_object
    from headstart.errors import PathError

    rename = {"source": "sources", "strategy": "strategies"}
    left_out = {"data", "json_output", "quiet", "label_map", "api", "download"}
    found = {rename.get(k, k): v for k, v in given.items() if k not in left_out and v is not None and v != []}
    if label_map is not None:
        try:
            found["label_map"] = read_object(label_map)
        except (OSError, Damaged) as error:
            raise PathError(label_map, "is not a JSON file that maps source labels to yours") from error
    return found


def with_download(call: Callable[[bool], Any], download: bool) -> Any:
    """Call with the download allowed or not; at a terminal ask once when weights are missing."""
    from headstart.errors import WeightsMissing

    try:
        return call(download)
    except WeightsMissing as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        if not typer.confirm(
            f"{error.spec}: its weights are not on this machine ({error.size}). Fetch them?", err=True
        ):
            raise
        return call(True)


class Tell:
    """The listener of a command: the terminal's story, or nothing."""

    def __init__(self, *, json_output: bool, quiet: bool) -> None:
        self._story: Any = None
        if not json_output and not quiet:
            from headstart.report.terminal import Story

            self._story = Story()

    def __enter__(self) -> Tell:
        return self

    def __exit__(self, *error: object) -> None:
        if self._story is not None:
            self._story.close()

    def __call__(self, event: Any) -> None:
        if self._story is not None:
            self._story(event)

    def finish(self, folder: Path) -> None:
        """What to do next."""
        self._story.line("next", f"headstart predict {folder} YOUR-FILES")
        self._story.line("", f"headstart export {folder} --onnx")
