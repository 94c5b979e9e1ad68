"""A network that writes: answers token by token, and the tokenizer that makes texts of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from headstart import sources, tasks
from headstart.core.generator import Generator, Writing
from headstart.core.task import Task
from headstart.core.untrusted import Damaged, parsing
from headstart.nets.base import Net, Parts, Recipe
from headstart.sources.layers.filling import unshared
from headstart.tasks.base import Says

TOKENIZER = "words.tokenizer"
"""Name of the tensor that holds the tokenizer's JSON: uint8, UTF-8."""


class Written(Net):
    """`forward` gives tokens float32 `[B, longest]`, -1 after the end; `text` what they say."""

    def __init__(self, task: Task, parts: Parts, generator: Generator, cut: str) -> None:
        super().__init__(task, parts)
        self.trunk, self._generator, self._cut = generator.module, generator, cut

    def raw(self, prepared: Tensor) -> Tensor:
        found: Tensor = self._generator.write(prepared, self._cut)
        return found.float()

    def forward(self, prepared: Tensor) -> Tensor:
        return self.raw(prepared)

    def text(self, row: np.ndarray, texts: Sequence[str] = ()) -> str:  # noqa: ARG002
        """What a row of `forward` says."""
        return self._generator.text(row.astype(np.int64).tolist())


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("architecture", "writing", "cut")
    if not isinstance(tasks.for_task(recipe.task), Says):
        raise recipe.error(f"writes texts, which are no answers of {recipe.task.kind}")
    architecture = recipe.field("architecture", dict)
    words = recipe.parts.under("words")
    tokenizer = words.get("tokenizer")
    if tokenizer is None or tokenizer.dtype != np.uint8:
        raise recipe.error(f"lacks the tensor {TOKENIZER!r}")
    try:
        with parsing():
            writing = Writing.from_json(recipe.field("writing", dict))
            text = tokenizer.tobytes().decode()
    except Damaged as error:
        raise recipe.error(f"has a recipe without a usable 'writing' ({error})") from error
    if (cut := recipe.field("cut", str)) != "input":
        raise recipe.error(f"has a recipe that reads at {cut[:60]!r}, not its input")
    tensors = recipe.parts.under("trunk")
    generator = sources.generator_from_state(architecture, recipe.input, tensors, writing, text)
    try:
        generator.text(())
    except Damaged as error:
        raise recipe.error(f"has {TOKENIZER!r} with {error}") from error
    return Written(recipe.task, recipe.parts, generator, cut)


def tensors_of(generator: Generator) -> dict[str, np.ndarray]:
    """What `build` takes, of a generator."""
    state = unshared(generator.module)
    found = {f"trunk.{name}": np.array(value.cpu().numpy()) for name, value in state.items()}
    return {**found, TOKENIZER: np.frombuffer(generator.vocabulary.encode(), np.uint8)}
