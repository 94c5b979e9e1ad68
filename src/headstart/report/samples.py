"""The items that a report shows, by their modality, so that it can be drawn again without the data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart import modalities
from headstart.core.dataset import Dataset
from headstart.core.task import Task
from headstart.report import pictures, texts


def gather(dataset: Dataset, task: Task, insight: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that `insight` names by row, and a few examples, as plain JSON: pictures or texts.

    See `headstart.report.pictures.gather` and `headstart.report.texts.gather`.
    """
    in_words = modalities.get(dataset.modality).IN_WORDS
    return (texts if in_words else pictures).gather(dataset, task, insight)
