"""What a frozen network answers: a part of the item, or what was said of the example that is nearest."""

from __future__ import annotations

from dataclasses import replace

from headstart import tasks
from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.strategy import Request, Trial
from headstart.strategies.sentences import extract, recall


class Probe:
    """Where answers are parts of their item, these are chosen (`extract`), else recalled (`recall`)."""

    name = "probe"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """A pass, and little more."""
        return (extract if _part(request) else recall).cost(request, seconds_per_pass)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds the "tap" of each fold, where texts are recalled."""
        return self._fitted(request, request.network)

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "extract", or of kind "taps" with an output for each answer."""
        return self._refitted(request, request.network)

    def _fitted(self, request: Request, backbone: Backbone) -> Trial:
        arm, part = request.arm(self.name), _part(request)
        return extract.fit(request, backbone, arm, part) if part else recall.fit(request, backbone, arm)

    def _refitted(self, request: Request, backbone: Backbone) -> Model:
        part = _part(request)
        return extract.refit(request, backbone, part) if part else recall.refit(request, backbone)


class RandomFrozen(Probe):
    """The same on the same architecture with random weights."""

    name = "random-frozen"

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""
        return self._fitted(request, request.network.fresh(request.seed))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """The same nets; they owe nothing to the source's weights."""
        return replace(self._refitted(request, request.network.fresh(request.seed)), source={})


def _part(request: Request) -> str:
    """What of an item is said; "" where answers are no part of it."""
    methods = tasks.for_task(request.task)
    return str(getattr(methods, "part", ""))
