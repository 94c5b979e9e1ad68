"""Kinds of task: head, loss, decoding, metrics. One file each.

To add one: write the file, add its line here.
"""

from __future__ import annotations

import importlib

from headstart.core.task import Task
from headstart.errors import UnknownName
from headstart.tasks.base import TaskMethods

WHERE = {
    "classification": "headstart.tasks.classification:Classification",
    "multilabel": "headstart.tasks.multilabel:MultiLabel",
    "regression": "headstart.tasks.regression:Regression",
}
"""Kind -> module:class, imported on use."""


def get(kind: str) -> TaskMethods:
    """The methods of a kind of task. Raises `UnknownName`."""
    if kind not in WHERE:
        raise UnknownName("kind of task", kind, sorted(WHERE))
    module, _, cls = WHERE[kind].partition(":")
    methods: TaskMethods = getattr(importlib.import_module(module), cls)()
    return methods


def for_task(task: Task) -> TaskMethods:
    """The methods of a task's kind."""
    return get(task.kind)
