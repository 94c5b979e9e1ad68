"""What a server grants one request, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.errors import BadOption


@dataclass(frozen=True)
class Limits:
    """Of requests. What an item may ask once it is opened (pixels, samples, characters) stands in
    `headstart.core.untrusted.limits`, as for every command."""

    bytes: int = 20_000_000
    """Of one request's body."""
    texts: int = 256
    """In one request."""
    seconds: float = 30.0
    """From a request's last byte to its answer, and as many for its bytes to come."""
    waiting: int = 128
    """Items that wait for their turn; more are turned away."""
    per_client: int = 64
    """Requests of one address at a time."""
    batch: int = 8
    """Items computed at once, at most."""
    gather: float = 0.002
    """Seconds that the first item of a batch waits for others."""

    def __post_init__(self) -> None:
        """Raises `BadOption` for what serves nobody."""
        for name, value in vars(self).items():
            if value < (0 if name == "gather" else 1):
                raise BadOption(name, value, "at least 1")
