"""What a result was made with: versions and machine, for reports and bundles."""

from __future__ import annotations

import os
import platform
from importlib import metadata

PACKAGES = ("headstart", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages a result depends on; absent ones are left out."""
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
