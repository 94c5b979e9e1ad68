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
F = TypeVar("F", bound=Callable[..., None])


ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A run folder, a model folder or a .zip.", show_default=False)
]
FILES_HELP = (
    "Images, texts or recordings: files, folders, .zip and .tar archives, globs; tables of them or of paths."
)
Files = Annotated[list[str], typer.Argument(metavar="FILES...", help=FILES_HELP, show_default=False)]
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)]
Download = Annotated[
    bool, typer.Option("--download", help="Allow fetching weights that are not on this machine.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def _option(help: str, *names: str, kind: Any = str | None, **more: Any) -> Any:
    """The annotation of an option that may be left out."""
    return Annotated[kind, typer.Option(*names, help=help, show_default=False, **more)]


def _reading(help: str, kind: Any = str | None, **more: Any) -> Any:
    """The annotation of an option that says how data are read."""
    return _option(help, kind=kind, rich_help_panel="Reading the data", **more)


ANNOTATIONS: dict[str, Any] = {
    "source": _option(
        "A pretrained model: package/NAME, timm/NAME, torchvision/NAME, bundled/NAME, file:PATH; of texts and "
        "sounds package/NAME, hf/NAME, hf:PATH; of texts vectors:PATH. Repeat it. Default: what is on this machine.",
        "--source",
        "-s",
        kind=list[str] | None,
    ),
    "budget": Annotated[str, typer.Option("--budget", "-b", help="Time to spend: 90s, 10min, 2h.")],
    "seed": Annotated[
        int, typer.Option("--seed", help="Of splits, augmentation and training.", min=0, max=2**32 - 1)
    ],
    "metric": _option(
        "By what arms are ranked, compared and shipped: accuracy, balanced-accuracy, f1, auroc or log-loss of classes; "
        "map, f1, micro-f1, auroc or log-loss of several labels; mae, rmse or r2 of numbers. By balanced-accuracy classes "
        "are learnt as if they were equally common."
    ),
    "engine": _option(
        "What computes the passes over the data: eager (the network as it is, float32), folded, fused, autocast, "
        "openvino, openvino-half or compiled. Default: the quickest that agrees with eager in a trial."
    ),
    "strategy": _option(
        "Only this one, beside the cheap baselines (repeat it): probe, direct, label-names, contrastive, "
        "finetune, lora, bitfit, full, scratch, random-frozen, pixels, tfidf, bands, majority, and the answers to "
        "harm: early-probe, finetune-slow, stack.",
        kind=list[str] | None,
    ),
    "path_column": _reading("Column of paths in a table (recognised by its name otherwise)."),
    "text_column": _reading("Column of texts in a table (recognised by its name or its values otherwise)."),
    "pair_column": _reading("Column of the second text, where each item is a pair of texts."),
    "label_column": _reading(
        "Column of labels in a table. Repeat it where there is one of 0 and 1 for each label.",
        list[str] | None,
    ),
    "split_column": _reading("Column that says train, val or test."),
    "group_column": _reading("Column of groups that no split may part (patient, site, video)."),
    "task": _reading(
        "Kind of task, where the labels alone do not say: classification, multilabel or regression."
    ),
    "labels": _reading(
        "Name of a class, in the order wanted (repeat it): it is one, whatever it is called.",
        list[str] | None,
    ),
    "missing": _reading(
        'Text that stands for a label that is missing (repeat it); "" for none but empty cells. Default: '
        "NA, N/A, NaN and null in .csv and .tsv.",
        list[str] | None,
    ),
    "white": _reading(
        "Of pictures of more than 8 bits: the value that is white, such as 4095, or black and white, such as "
        "-1024:3071 (found out from all pictures otherwise).",
        metavar="VALUE",
    ),
    "drop_bad": Annotated[bool, typer.Option("--drop-bad", help="Go on without the items that have errors.")],
    "download": Download,
    "optimizer": _option("sgd or adamw."),
    "lr": _option("Learning rate of the trunk.", kind=float | None),
    "head_lr": _option("Learning rate of the head.", kind=float | None),
    "epochs": _option("Passes over the training part.", kind=int | None),
    "batch_size": _option("Items a step.", kind=int | None),
    "freeze": _option("Stage up to and including which the trunk stays frozen; none trains everything."),
    "augment": _option("Recipe of augmented views: crop-flip, crop, glyph, none; of texts drop-words, none."),
    "views": _option("Augmented views stored of each item.", kind=int | None, min=0, max=64),
    "lora_targets": _option("Linear layers that LoRA changes, such as query,value; else all."),
    "label_map": _option("JSON file {source label: your label} for direct use.", kind=Path | None),
}
DEFAULTS: dict[str, Any] = {"budget": "10min", "seed": 0, "drop_bad": False, "download": False}
"""Of options that are not left out by None."""
RUN = tuple(ANNOTATIONS)
"""What a run is asked for."""
COLUMNS = ("path_column", "text_column", "pair_column")
"""Where the items are in a table."""
READING = (*COLUMNS, "label_column", "split_column", "group_column", "task", "labels", "missing", "white")
"""How data with labels are read."""


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
