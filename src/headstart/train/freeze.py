"""Frozen means frozen: weights, buffers, BatchNorm statistics; verified, not assumed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from headstart.errors import FrozenChanged


def set_train_mode(net: nn.Module, *, statistics: bool) -> None:
    """Train mode; without `statistics` BatchNorm normalises by those it has, and keeps them."""
    net.train()
    if not statistics:
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


@dataclass(frozen=True)
class FrozenPart:
    """What of a network must not change while another part of it is trained."""

    module: nn.Module = field(repr=False)
    names: tuple[str, ...]
    """State-dict names of the frozen parameters and buffers."""
    digest: str

    @classmethod
    def of(cls, module: nn.Module, trained: nn.Module) -> FrozenPart:
        """Everything in `module` that `trained`, a part of it or sharing tensors with it, does not hold.

        Those parameters are also set to need no gradient.
        """
        held = {id(t) for t in (*trained.parameters(), *trained.buffers())}
        for parameter in module.parameters():
            if id(parameter) not in held:
                parameter.requires_grad_(False)
        kept = module.state_dict(keep_vars=True)
        names = tuple(sorted(name for name, tensor in kept.items() if id(tensor) not in held))
        return cls(module, names, _digest(module, names))

    def verify(self) -> None:
        """Raises `FrozenChanged` when anything frozen has another value than at the start."""
        if _digest(self.module, self.names) != self.digest:
            raise FrozenChanged(len(self.names))


def _digest(module: nn.Module, names: tuple[str, ...]) -> str:
    state = module.state_dict()
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode())
        # -0.0 becomes 0.0 where weights are averaged, and is the same number
        digest.update((state[name].detach().cpu().contiguous() + 0).numpy().tobytes())
    return digest.hexdigest()
