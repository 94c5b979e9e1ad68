"""What all networks share: tensors taken by name, temperature, activation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart import tasks
from headstart.core.source import Preprocessing
from headstart.core.task import Task
from headstart.errors import NetError
from headstart.tasks.base import Confidence


class Net(nn.Module, ABC):
    """Prepared batches in, predictions out. Subclasses give `raw`; everything after it is here."""

    temperature: Tensor | None

    def __init__(self, task: Task, parts: Parts) -> None:
        super().__init__()
        self.task = task
        methods = tasks.for_task(task)
        self._activate = methods.activate_tensor
        # a value has no confidence that a temperature could change
        found = parts.optional("temperature", (1,)) if isinstance(methods, Confidence) else None
        self.register_buffer("temperature", found)

    @abstractmethod
    def raw(self, prepared: Tensor) -> Tensor:
        """A prepared batch -> float32 `[B, K]`, before temperature and activation."""

    def logits(self, prepared: Tensor) -> Tensor:
        """A prepared batch -> float32 `[B, K]`, before the activation."""
        z = self.raw(prepared)
        return z if self.temperature is None else z / self.temperature

    def forward(self, prepared: Tensor) -> Tensor:
        """A prepared batch -> predictions float32 `[B, K]`: probabilities, or the value."""
        predictions: Tensor = self._activate(self.logits(prepared))
        return predictions.float()

    def text(self, row: np.ndarray, texts: Sequence[str] = ()) -> str | None:  # noqa: ARG002
        """What a row of predictions of an item with these texts says, of a network that writes or chooses;
        None of any other."""
        return None


class Parts:
    """The tensors of one network, taken by name; what is missing or left over is an error."""

    def __init__(self, kind: str, tensors: Mapping[str, np.ndarray]) -> None:
        self.kind = kind
        self._left = dict(tensors)

    def take(self, name: str, shape: tuple[int | None, ...]) -> Tensor:
        """float32 tensor of that name; None in `shape` matches any size. Raises `NetError`."""
        if name not in self._left:
            raise NetError(self.kind, f"lacks the tensor {name!r}")
        array = self._left.pop(name)
        if len(array.shape) != len(shape) or any(
            want not in (None, have) for have, want in zip(array.shape, shape, strict=True)
        ):
            wanted = ", ".join("any" if want is None else str(want) for want in shape)
            raise NetError(self.kind, f"has {name!r} of shape {list(array.shape)} instead of [{wanted}]")
        return torch.from_numpy(np.array(array, dtype=np.float32))

    def optional(self, name: str, shape: tuple[int | None, ...]) -> Tensor | None:
        """The same, or None when there is none."""
        return self.take(name, shape) if name in self._left else None

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """All tensors whose name begins with `prefix.`, without it."""
        found = {name: self._left[name] for name in self._left if name.startswith(f"{prefix}.")}
        for name in found:
            del self._left[name]
        return {name[len(prefix) + 1 :]: array for name, array in found.items()}

    def linear(self, name: str, inputs: int | None, outputs: int) -> nn.Linear:
        """`NAME.weight` and `NAME.bias` as a layer."""
        weight = self.take(f"{name}.weight", (outputs, inputs))
        bias = self.take(f"{name}.bias", (outputs,))
        layer = nn.Linear(weight.shape[1], outputs, device="meta")  # draws no numbers to be replaced
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        return layer

    def finish(self) -> None:
        """Raises `NetError` when tensors were not used."""
        if self._left:
            names = ", ".join(map(repr, sorted(self._left)[:3]))
            raise NetError(self.kind, f"has {len(self._left)} tensors it has no use for, such as {names}")


class Block(nn.Module):
    """Named buffers without behaviour, so that they keep their dotted names."""

    def __init__(self, **buffers: Tensor) -> None:
        super().__init__()
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)

    def forward(self) -> None:
        """Nothing to compute."""


@dataclass(frozen=True)
class Recipe:
    """What a kind of network is built from; `assemble` builds members of composed kinds."""

    net: Mapping[str, Any]
    parts: Parts
    input: Preprocessing
    task: Task
    assemble: Callable[[Mapping[str, Any], Mapping[str, np.ndarray], Preprocessing, Task], Net]

    def only(self, *fields: str) -> None:
        """Raises `NetError` for fields that this version would silently ignore."""
        strange = sorted(set(self.net) - {"kind", *fields})
        if strange:
            raise self.error(f"has a recipe with unknown fields: {', '.join(strange)}")

    def field(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """A field of the recipe. Raises `NetError` when it is missing or of another type."""
        found = self.net.get(name)
        if not isinstance(found, kind) or isinstance(found, bool):
            raise self.error(f"has a recipe without a usable {name!r}")
        return found

    def error(self, problem: str) -> NetError:
        return NetError(self.parts.kind, problem)
