"""What a result is made with: versions and machine, for reports and bundles, and its process."""

from __future__ import annotations

import gc
import importlib
import os
import platform
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from headstart.errors import HeadstartError

PACKAGES = ("headstart", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages a result depends on; absent ones are left out."""
    from importlib import metadata  # loads much

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """System, processor and number of cores. Nothing that names the user or the host."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "cores": str(os.cpu_count() or 1),
    }


def free_memory() -> float:
    """Bytes that a process can still have; infinite where the system does not tell."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            told = dict(line.split(":", 1) for line in lines)
        return 1024.0 * int(told["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return float("inf")


def waiting() -> dict[str, str]:
    """The environment of a process of our own: its threads do not spin while they wait, unless the user says.

    Spinning brings a busy machine to a halt: a training step beside one other busy process took 732 ms with
    OpenMP's default and 68 ms with this. It is read when torch is first loaded, and by all OpenMP code of the
    process: one that only imports us is left as it is.
    """
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}


LAUNCHED = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""In which launchers say how many processes they have started for one job: those that Accelerate heeds."""


def check_alone(command: str) -> None:
    """Raises `HeadstartError` in one of several processes that work on one job: each would train on the same
    items and write the same files."""
    group = sys.modules.get("torch.distributed")  # what nobody has imported has no group
    if group is not None and group.is_available() and group.is_initialized():
        count = group.get_world_size()
    else:
        count = max((int(n) for name in LAUNCHED if (n := os.environ.get(name, "")).isdecimal()), default=1)
    if count > 1:
        raise HeadstartError(
            f"this is one of {count} processes of a launcher such as accelerate launch or torchrun, and each "
            f"would train on the same items and write the same files: run {command} without one, in a single "
            "process (it uses one GPU; CUDA_VISIBLE_DEVICES says which)"
        )


@contextmanager
def importing() -> Iterator[None]:
    """While large libraries are imported no garbage is looked for, which takes a quarter of their time; what
    they have made counts as old afterwards."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if looked:
            gc.enable()


class Ahead:
    """Inside the block a second thread imports the modules named to `begin`; at its end they are there.
    Reading data is mostly decoding, which leaves the interpreter free for that.

    No import is cut short, not even where the block raises: that may end the process the hard way.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """By the clock, that were waited for the imports at the end of the block."""
        self._left: list[str] = []
        self._thread = threading.Thread(target=self._work, name="imports")

    def begin(self, names: Iterable[str]) -> None:
        """Import these modules, in order. Those that cannot be are left to who needs them."""
        self._left = list(names)
        self._thread.start()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._left.clear()
        elif self._thread.ident is not None:
            start = time.monotonic()
            self._thread.join()
            self.seconds = time.monotonic() - start

    def _work(self) -> None:
        with importing():
            while self._left:
                with suppress(Exception):
                    importlib.import_module(self._left.pop(0))
