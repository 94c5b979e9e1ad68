"""`headstart fit` and `headstart plan`: one call, one verdict, one model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import headstart.cli._options as options
from headstart.cli._options import RUN, taking
from headstart.cli._screen import say_json
from headstart.core.budget import words as seconds_in_words
from headstart.errors import PathError, WeightsMissing

Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder. Default: runs/NAME-1, -2, ...")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the verdict and where things lie.")]


@taking(*RUN)
def fit_command(
    data: options.Data,
    out: Out = None,
    json_output: options.AsJson = False,
    quiet: Quiet = False,
    **given: Any,
) -> None:
    """Find the best transferred model for your data, and whether transfer helped."""
    with telling(data, shown=not json_output and not quiet) as story:
        from headstart import api

        run = with_download(partial(api.fit, data, listen=story, out=out), gather(given))
    if json_output:
        say_json({"run": str(run.folder), **run.record})
    elif quiet:
        sys.stdout.write(f"{run.verdict}\n{run.folder}\n")
    else:
        from headstart import tasks
        from headstart.tasks.base import Places

        methods = tasks.get(run.record["task"]["kind"])
        if isinstance(methods, Places):
            story.line("next", f"headstart predict {run.folder} YOUR-FILES --{methods.called} FOLDER")
            return
        story.line("next", f"headstart predict {run.folder} YOUR-FILES")
        if not methods.form:
            story.line("", f"headstart export {run.folder} --onnx")


@taking(*RUN)
def plan_command(data: options.Data, json_output: options.AsJson = False, **given: Any) -> None:
    """Print the steps `fit` would take and their estimated time."""
    with telling(data, shown=not json_output) as story:
        from headstart import api

        found = with_download(partial(api.plan, data, listen=story), gather(given))
    if json_output:
        say_json(found)
    else:
        sys.stdout.writelines(plan_lines(found))


def plan_lines(found: dict[str, Any]) -> Iterator[str]:
    """The steps with their estimated time, and what is left out, in lines a person reads."""
    for number, step in enumerate(found["steps"], start=1):
        estimate = step["estimate"]
        took = "" if estimate is None else f"about {seconds_in_words(min(estimate, step['seconds']))}"
        yield f"{number:>3}  {step['arm']:<48} {took:<18} {step['reason']}\n"
    for step in found["skipped"]:
        yield f"  -  {step['arm']:<48} {'not run':<18} {step['reason']}\n"
    yield (
        f"about {seconds_in_words(found['seconds'])} of the {seconds_in_words(found['budget'])}; "
        "the plan changes as results come in\n"
    )


def gather(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as keyword arguments of `headstart.fit`."""
    from headstart.core.untrusted import Damaged, read_object

    rename = {"source": "sources", "strategy": "strategies"}
    found = {
        rename.get(name, name): value for name, value in given.items() if value is not None and value != []
    }
    if "label_map" in found:
        path = found["label_map"]
        try:
            found["label_map"] = read_object(path)
        except (OSError, Damaged) as error:
            raise PathError(path, "is not a JSON file that maps source labels to yours") from error
    return found


def with_download(call: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Call with these options; at a terminal ask once whether weights that are missing may be fetched."""
    try:
        return call(**given)
    except WeightsMissing as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        if not typer.confirm(
            f"{error.spec}: its weights are not on this machine ({error.size}). Fetch them?", err=True
        ):
            raise
        return call(**{**given, "download": True})


def telling(data: str, *, shown: bool) -> AbstractContextManager[Any]:
    """The listener of a command: the terminal's story, which begins at once, or one that says nothing."""
    from headstart.core.events import ignore

    if not shown:
        return nullcontext(ignore)
    from headstart.report.terminal import Story

    story = Story()
    story.line("reading", data)
    return closing(story)
