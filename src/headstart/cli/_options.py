"""Options that several commands share, as annotated types."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from headstart.core.dataset import Item

DATA_HELP = (
    "A folder of class folders of images or texts (with or without train, val, test above them), a table of texts or "
    "of paths (.csv, .tsv, .parquet, .json, .jsonl, .xlsx, .feather, also as .gz), a folder with such tables, or a "
    ".zip or .tar of any of these."
)
_PANEL = "Reading the data"
F = TypeVar("F", bound=Callable[..., None])


ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A run folder, a model folder or a .zip.", show_default=False)
]
FILES_HELP = "Images or texts: files, folders, .zip and .tar archives, globs; tables of them or of paths."
Files = Annotated[list[str], typer.Argument(metavar="FILES...", help=FILES_HELP, show_default=False)]
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)]
PathColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of paths in a table (recognised by its name otherwise).", rich_help_panel=_PANEL
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of texts in a table (recognised by its name or its values otherwise).",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
PairColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of the second text, where each item is a pair of texts.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
LabelColumn = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of labels in a table. Repeat it where there is one of 0 and 1 for each label.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        help="Name of a class, in the order wanted (repeat it): it is one, whatever it is called.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        help='Text that stands for a label that is missing (repeat it); "" for none but empty cells. Default: '
        "NA, N/A, NaN and null in .csv and .tsv.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
SplitColumn = Annotated[
    str | None,
    typer.Option(help="Column that says train, val or test.", rich_help_panel=_PANEL, show_default=False),
]
GroupColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of groups that no split may part (patient, site, video).",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        help="Kind of task, where the labels alone do not say: classification, multilabel or regression.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
White = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE",
        help="Of pictures of more than 8 bits: the value that is white, such as 4095, or black and white, such as "
        "-1024:3071 (found out from all pictures otherwise).",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", "-s", help="A pretrained model: package/NAME, timm/NAME, torchvision/NAME, bundled/NAME, file:PATH; of texts package/NAME, hf/NAME, hf:PATH, vectors:PATH. Repeat it. Default: what is on this machine."),
]  # fmt: skip
BudgetOption = Annotated[str, typer.Option("--budget", "-b", help="Time to spend: 90s, 10min, 2h.")]
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
Metric = Annotated[
    str | None,
    typer.Option(
        help="By what arms are ranked, compared and shipped: accuracy, balanced-accuracy, f1, auroc or log-loss of classes; "
        "map, f1, micro-f1, auroc or log-loss of several labels; mae, rmse or r2 of numbers. By balanced-accuracy classes "
        "are learnt as if they were equally common.",
        show_default=False,
    ),
]
DropBad = Annotated[bool, typer.Option("--drop-bad", help="Go on without the items that have errors.")]
Download = Annotated[
    bool, typer.Option("--download", help="Allow fetching weights that are not on this machine.")
]
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
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

COLUMNS = ("path_column", "text_column", "pair_column")
"""Where the items are in a table."""
READING = (*COLUMNS, "label_column", "split_column", "group_column", "task", "labels", "missing", "white")
"""How data with labels are read."""
RUN = (
    "source", "budget", "seed", "metric", "strategy", *READING, "drop_bad", "download", "optimizer", "lr", "head_lr",
    "epochs", "batch_size", "freeze", "augment", "views", "lora_targets", "label_map",
)  # fmt: skip
"""What a run is asked for."""
DEFAULTS: dict[str, Any] = {"budget": "10min", "seed": 0, "drop_bad": False, "download": False}
"""Of options that are not left out by None."""
ANNOTATIONS: dict[str, Any] = {
    "source": Sources,
    "budget": BudgetOption,
    "seed": Seed,
    "metric": Metric,
    "strategy": Strategies,
    "path_column": PathColumn,
    "text_column": TextColumn,
    "pair_column": PairColumn,
    "label_column": LabelColumn,
    "split_column": SplitColumn,
    "group_column": GroupColumn,
    "task": TaskOption,
    "labels": Labels,
    "missing": Missing,
    "white": White,
    "drop_bad": DropBad,
    "download": Download,
    "optimizer": Optimizer,
    "lr": Lr,
    "head_lr": HeadLr,
    "epochs": Epochs,
    "batch_size": BatchSize,
    "freeze": Freeze,
    "augment": Augment,
    "views": Views,
    "lora_targets": LoraTargets,
    "label_map": LabelMap,
}


def taking(*names: str) -> Callable[[F], F]:
    """Give a command these options, before its own; they arrive in its `**given`, by name."""

    def give(command: F) -> F:
        own = [
            p for p in signature(command, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD
        ]
        first = [p for p in own if p.default is p.empty]
        shared = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=DEFAULTS.get(name), annotation=ANNOTATIONS[name])
            for name in names
        ]
        rest = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p not in first]
        parameters = [*first, *shared, *rest]
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return give


def reading(given: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """The options that were given, as `headstart.data.load` takes them."""
    return {
        name: value if isinstance(value, list) else str(value)
        for name, value in given.items()
        if value is not None and value != []
    }


def paths(files: Sequence[str]) -> list[Path | Item]:
    """What was named on the command line: paths, and what globs find. What is not there stays, to be told, and so
    do addresses.
    """
    from headstart.data.items.entries import at_path, is_address

    found: list[str] = []
    for entry in files:
        matches = glob.glob(entry, recursive=True) if glob.has_magic(entry) else []  # noqa: PTH207
        found += sorted(matches) or [entry]
    return [at_path(name) if is_address(name) else Path(name) for name in found]
