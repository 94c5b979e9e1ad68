"""Model: everything needed to predict, and nothing else. The only thing exported and served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.core import fingerprint
from headstart.core.source import Preprocessing
from headstart.core.task import Task


@dataclass(frozen=True, eq=False)
class Model:
    """A recipe in plain JSON and the numbers that go with it.

    `net` describes the network for `headstart.nets.assemble`; `tensors` are its parameters and
    buffers by their state-dict names. No code, no pickle: the two together are the model.
    """

    task: Task
    input: Preprocessing
    net: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray] = field(repr=False)
    source: Mapping[str, Any] = field(default_factory=dict)
    """Spec, revision, digest and licence of the source; empty for models that use none."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Arm, cross-validated and test evidence, verdict, data fingerprint, versions, seed."""

    def fingerprint(self) -> str:
        """Of recipe and numbers; evidence does not count."""
        recipe = fingerprint.of_json(
            {"task": self.task.to_json(), "input": self.input.to_json(), "net": dict(self.net)}
        )
        names = sorted(self.tensors)
        return fingerprint.of_parts([recipe, *(n + fingerprint.of_array(self.tensors[n]) for n in names)])
