"""Kinds of task: head, loss, decoding, metrics. One file each.

To add one: write the file, add its line here; in a package of your own it is an entry point of the group
"headstart.tasks".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headstart.core.registry import Registry
from headstart.core.task import Task
from headstart.errors import BadOption, DataError

if TYPE_CHECKING:
    from headstart.tasks.base import TaskMethods
    from headstart.tasks.base.scores import Score

TASKS: Registry[type[TaskMethods]] = Registry(
    "kind of task",
    {
        "answer": "headstart.tasks.sentences.answer:Answer",
        "classification": "headstart.tasks.classification:Classification",
        "detection": "headstart.tasks.detection:Detection",
        "generate": "headstart.tasks.sentences.generate:Generate",
        "multilabel": "headstart.tasks.multilabel:MultiLabel",
        "regression": "headstart.tasks.regression:Regression",
        "segmentation": "headstart.tasks.segmentation:Segmentation",
        "summarize": "headstart.tasks.sentences.summarize:Summarize",
        "transcribe": "headstart.tasks.sentences.transcribe:Transcribe",
        "translate": "headstart.tasks.sentences.translate:Translate",
    },
    group="headstart.tasks",
)
"""Kind -> its class."""


def get(kind: str) -> TaskMethods:
    """The methods of a kind of task. Raises `UnknownName`."""
    return TASKS[kind]()


def score_of(task: Task) -> Score:
    """How the headline metric of a task is computed."""
    return for_task(task).scores[task.metric]


def judged_by(task: Task, metric: str) -> Task:
    """The task with another headline metric, by its name ("balanced-accuracy" too). Raises `BadOption`."""
    known = for_task(task).scores
    found = {_plain(name): name for name in known}.get(_plain(metric))
    if found is None:
        names = ", ".join(name.lower().replace(" ", "-") for name in known)
        raise BadOption("metric", metric, f"for {task.kind} one of {names}")
    return replace(task, metric=found, higher_is_better=known[found].metric.higher_is_better)


def measurable(task: Task | None, where: object, command: str) -> None:
    """Raises `DataError` for a task whose answers are no labels, numbers, places or boxes, where a command
    does none but these."""
    from headstart.tasks.base import Places

    methods = None if task is None else for_task(task)
    if task is not None and methods is not None and methods.form and not isinstance(methods, Places):
        problem = f"its labels are {methods.form}, and {command} does not do {task.kind}"
        raise DataError(str(where), problem, "use fit, predict and evaluate")


def told(task: Task) -> dict[str, Any]:
    """A task as JSON for people and programs: without the labels where these are the texts that a model
    recalls, which came with its data."""
    said = task.to_json()
    return {**said, "labels": []} if for_task(task).form == "texts" else said


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def for_task(task: Task) -> TaskMethods:
    """The methods of a task's kind."""
    return get(task.kind)
