"""Decoding in several threads: the warnings of the decoders reach nobody, and memory has a bound."""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from collections.abc import Iterator

from headstart.core.untrusted import limits

_FILTER = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif|headstart\.modalities)(\.|$)"), 0)
"""As the module `warnings` keeps it: no text, any warning, raised from there, any line."""
_lock = threading.Lock()
_inside = 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Warnings of Pillow are not shown, nor made errors, as long as any thread is inside.

    `warnings.catch_warnings` may not be used for this: it belongs to one thread at a time. What other modules
    warn of is as it was.
    """
    global _inside  # noqa: PLW0603 - the filters of a process are one thing
    with _lock:
        _inside += 1
        if _FILTER not in warnings.filters[:1]:  # also where somebody else has put a filter before it
            warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                with contextlib.suppress(ValueError):
                    while True:
                        warnings.filters.remove(_FILTER)  # type: ignore[attr-defined]


class Room:
    """As many things at a time as there is room for; one alone may be larger."""

    def __init__(self, most: int) -> None:
        self.most, self._used, self._changed = most, 0, threading.Condition()

    @contextlib.contextmanager
    def of(self, size: int) -> Iterator[None]:
        """Wait until there is room. Not to be asked for by a thread that is inside already."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self.most)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


ROOM = Room(limits.DECODING_BYTES)
"""For all pictures that this process decodes."""
