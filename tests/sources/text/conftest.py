"""The same caution as for sources of images, and tiny models in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headstart.testing import pretrained

from ..conftest import no_network  # noqa: F401 - a fixture that every test here uses
