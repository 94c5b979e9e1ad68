"""Training a small part of every layer, from the converged probe on: LoRA, and biases and norms alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.strategy import Request, Trial
from headstart.strategies import finetune
from headstart.strategies.gradient import _arm
from headstart.strategies.gradient._adapters import Adapter, LowRank, Vectors
from headstart.strategies.gradient._training import Kind
from headstart.strategies.shared._folds import empty_trial


class _Small(ABC):
    """Both arms, but for the adapter."""

    name: str
    lr: float
    """Peak learning rate, of the head as well: few numbers are trained, from a probe that has converged."""

    @abstractmethod
    def adapter(self, request: Request) -> Adapter:
        """What decides which part is trained."""

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """That of training every layer: the gradient runs through all of them."""
        return finetune.Full().cost(request, seconds_per_pass)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        adapter, settings = self.adapter(request), request.settings
        obstacle = adapter.obstacle(request.network)
        if obstacle:
            return empty_trial(request, request.arm(self.name), "not applicable", obstacle)
        whole = finetune.design_whole(request)
        recipe = replace(
            whole.recipe,
            optimizer=settings.optimizer or "adamw",
            lr=settings.lr or self.lr,
            weight_decay=0.01,
            layer_decay=1.0,
            head_boost=1.0,
        )
        trial = finetune.fit_design(request, self._kind(request), replace(whole, recipe=recipe))
        told = f"{trial.reason}, {adapter.words()}" if trial.status == "done" else trial.reason
        return replace(trial, reason=told)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps": plain weights, whatever was trained."""
        return _arm.refit(request, trial, self._kind(request))

    def _kind(self, request: Request) -> Kind:
        return Kind(self.name, finetune.STEPS, finetune.MOST_EPOCHS, adapter=self.adapter(request))


class Lora(_Small):
    """Matrices of low rank beside the linear layers, added to them at the end."""

    name = "lora"
    lr = 5e-4

    def adapter(self, request: Request) -> LowRank:
        """On the linear layers named by `Settings.lora_targets`, or on all of them."""
        return LowRank(named_targets(request.settings.lora_targets))


class BitFit(_Small):
    """Biases and norms alone."""

    name = "bitfit"
    lr = 1e-3

    def adapter(self, request: Request) -> Vectors:  # noqa: ARG002
        """Every parameter that is a vector."""
        return Vectors()


def named_targets(text: str | None) -> tuple[str, ...]:
    """The names in "query, value"."""
    return tuple(part for part in (text or "").replace(" ", "").split(",") if part)
