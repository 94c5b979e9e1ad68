"""Optional imports by name; the error names the extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from headstart.errors import MissingExtra


def optional(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import `module`, or raise `MissingExtra` naming the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.split(".", maxsplit=1)[0] != error.name.split(".")[0]:
            raise  # the module is there and itself broken: hiding that would mislead
        raise MissingExtra(module, extra=extra, needed_for=needed_for) from error
