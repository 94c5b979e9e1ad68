"""Source rows carried to target rows by a transport plan, and the head fitted again there."""

from __future__ import annotations

from headstart.core.strategy import NotApplicable, Request
from headstart.errors import MissingExtra
from headstart.measure.alignment.entropic import entropic
from headstart.strategies.adapt._base import Aligned, Headed


class Entropic(Aligned):
    """See `measure.alignment.entropic`."""

    name = "entropic"
    align = staticmethod(entropic)

    def adapt(self, request: Request) -> Headed:
        try:
            return super().adapt(request)
        except MissingExtra as error:
            raise NotApplicable(str(error)) from error
