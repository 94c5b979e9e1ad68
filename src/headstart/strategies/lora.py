"""Training a small part of every layer, from the converged probe on: LoRA, and biases and norms alone."""

from __future__ import annotations

from dataclasses import replace

from headstart._lazy import optional
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.strategy import Request, Trial
from headstart.errors import MissingExtra
from headstart.strategies import finetune
from headstart.strategies.gradient import _arm
from headstart.strategies.gradient._adapters import ALPHA, RANK, Adapter, LowRank, Vectors, resolve
from headstart.strategies.gradient._design import Design
from headstart.strategies.gradient._training import Kind
from headstart.strategies.shared._folds import empty_trial

LORA_LR, BITFIT_LR = 5e-4, 1e-3
"""Peak learning rates, of the head as well: few numbers are trained, from a probe that has converged."""


class _Small:
    """Both arms, but for the adapter."""

    name: str
    lr: float

    def adapter(self, request: Request) -> Adapter:
        """What decides which part is trained."""
        raise NotImplementedError

    def obstacle(self, request: Request) -> str:
        """Why the arm does not apply; empty when it does."""
        raise NotImplementedError

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """That of training every layer: the gradient runs through all of them."""
        return finetune.Full().cost(request, seconds_per_pass)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        obstacle = self.obstacle(request)
        if obstacle:
            name = request.arm(self.name)
            return empty_trial(request, name, "not applicable", obstacle)
        trial = finetune.fit_design(request, self._kind(request), self.design(request))
        return (
            replace(trial, reason=f"{trial.reason}, {self.words(request)}")
            if trial.status == "done"
            else trial
        )

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps": plain weights, whatever was trained."""
        return _arm.refit(request, trial, self._kind(request))

    def design(self, request: Request) -> Design:
        """All layers from the input, with the rates of few parameters."""
        whole = finetune.design_whole(request)
        recipe = replace(
            whole.recipe,
            optimizer=request.settings.optimizer or "adamw",
            lr=request.settings.lr or self.lr,
            weight_decay=0.01,
            layer_decay=1.0,
            head_boost=1.0,
        )
        return replace(whole, recipe=recipe)

    def words(self, request: Request) -> str:
        raise NotImplementedError

    def _kind(self, request: Request) -> Kind:
        return Kind(self.name, finetune.STEPS, finetune.MOST_EPOCHS, adapter=self.adapter(request))


class Lora(_Small):
    """Matrices of low rank beside the linear layers, added to them at the end."""

    name = "lora"
    lr = LORA_LR

    def adapter(self, request: Request) -> LowRank:
        """On the linear layers named by `Settings.lora_targets`, or on all of them."""
        return LowRank(targets(request))

    def obstacle(self, request: Request) -> str:
        """No linear layers, or no peft. Raises `BadOption` for a name that matches nothing."""
        backbone = request.network
        try:
            optional("peft", extra="text", needed_for="LoRA")
        except MissingExtra as error:
            return str(error)
        if not resolve(backbone, backbone.tail(backbone.cuts[0]), targets(request)):
            return "the network has no linear layers"
        return ""

    def words(self, request: Request) -> str:
        """Rank and targets."""
        named = ", ".join(targets(request)) or "all linear layers"
        return f"rank {RANK}, alpha {ALPHA}, {named}"


class BitFit(_Small):
    """Biases and norms alone."""

    name = "bitfit"
    lr = BITFIT_LR

    def adapter(self, request: Request) -> Vectors:  # noqa: ARG002
        """Every parameter that is a vector."""
        return Vectors()

    def obstacle(self, request: Request) -> str:
        """A network without any such."""
        body = request.network.tail(request.network.cuts[0])
        return "" if any(p.ndim <= 1 for p in body.parameters()) else "the network has no biases and no norms"

    def words(self, request: Request) -> str:  # noqa: ARG002
        return "biases and norms"


def targets(request: Request) -> tuple[str, ...]:
    """The linear layers named by hand: "query, value"."""
    return named_targets(request.settings.lora_targets)


def named_targets(text: str | None) -> tuple[str, ...]:
    """The names in "query, value"."""
    return tuple(part for part in (text or "").replace(" ", "").split(",") if part)
