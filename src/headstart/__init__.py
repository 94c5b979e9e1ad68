"""Headstart: transfer learning that measures.

    import headstart as hs
    run = hs.fit("photos/", budget="10min")
    print(run.verdict)
    run.model.predict(["new.jpg"])

Names are loaded when they are first used: importing this package loads no other, touches no disk,
opens no socket and changes nothing in the process.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "headstart.api": (
        "fit", "plan", "adapt", "open_run", "Run", "check", "compare", "embed", "label_next", "open_model",
        "rank", "shift", "watch",
    ),
    "headstart.data": ("load",),
    "headstart.sources": ("sources",),
    "headstart.core.strategy": ("Settings",),
    "headstart.core.dataset": ("Dataset",),
    "headstart.core.task": ("Task",),
    "headstart.core.evidence": ("Evidence", "Verdict"),
    "headstart.errors": ("HeadstartError",),
}  # fmt: skip
_WHERE = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_WHERE)  # noqa: PLE0605 - one list, not two

if TYPE_CHECKING:
    from headstart import sources as sources
    from headstart.api import Run as Run
    from headstart.api import adapt as adapt
    from headstart.api import check as check
    from headstart.api import compare as compare
    from headstart.api import embed as embed
    from headstart.api import fit as fit
    from headstart.api import label_next as label_next
    from headstart.api import open_model as open_model
    from headstart.api import open_run as open_run
    from headstart.api import plan as plan
    from headstart.api import rank as rank
    from headstart.api import shift as shift
    from headstart.api import watch as watch
    from headstart.core.dataset import Dataset as Dataset
    from headstart.core.evidence import Evidence as Evidence
    from headstart.core.evidence import Verdict as Verdict
    from headstart.core.strategy import Settings as Settings
    from headstart.core.task import Task as Task
    from headstart.data import load as load
    from headstart.errors import HeadstartError as HeadstartError


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    module = importlib.import_module(_WHERE[name])
    return module if module.__name__ == f"headstart.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
