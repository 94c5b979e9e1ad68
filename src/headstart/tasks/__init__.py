"""Kinds of task: head, loss, decoding, metrics. One file each.

To add one: write the file, add its line here; in a package of your own it is an entry point of the group
"headstart.tasks".
"""

from __future__ import annotations

from headstart.core.registry import Registry
from headstart.core.task import Task
from headstart.tasks.base import TaskMethods

TASKS: Registry[type[TaskMethods]] = Registry(
    "kind of task",
    {
        "classification": "headstart.tasks.classification:Classification",
        "multilabel": "headstart.tasks.multilabel:MultiLabel",
        "regression": "headstart.tasks.regression:Regression",
    },
    group="headstart.tasks",
)
"""Kind -> its class."""


def get(kind: str) -> TaskMethods:
    """The methods of a kind of task. Raises `UnknownName`."""
    return TASKS[kind]()


def for_task(task: Task) -> TaskMethods:
    """The methods of a task's kind."""
    return get(task.kind)
