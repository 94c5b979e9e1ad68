"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from warm import Warm

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch, as the command line has it

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it of what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also what tests start can be stopped then

settings.register_profile(
    "same", derandomize=True, deadline=None
)  # no test is timed: a busy machine is no fault
settings.register_profile("search", deadline=None)
settings.load_profile("same")  # the same examples in every run; --hypothesis-profile search draws others


def pytest_addoption(parser: pytest.Parser) -> None:
    """Of tests/fuzz, which says what they mean."""
    group = parser.getgroup("fuzz", "damaged and hostile input")
    group.addoption("--fuzz", type=int, default=200, help="inputs for each reader")
    group.addoption("--fuzz-seed", type=int, default=0, help="other inputs for each other number")
    group.addoption("--fuzz-only", default="", metavar="FAMILY:NUMBER", help="one input alone, which is kept")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most slow tests first: one that is begun last would keep a single worker busy at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Random weights are the same in every test, whatever ran before it in this process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Runs commands and scripts in processes that need not import what all of them need."""
    made = Warm(tmp_path_factory.mktemp("told"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real data and weights beside the checkout; skips where there is none."""
    path = Path(os.environ.get("HEADSTART_SHARED", Path(__file__).parents[2] / "shared"))
    if not (path / "weights" / "imagenet").is_dir():
        pytest.skip("no real data and weights beside the checkout (set HEADSTART_SHARED)")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, where it is installed with its driver."""
    pytest.importorskip("selenium")
    chromium, driver_path = (
        shutil.which("chromium") or shutil.which("google-chrome"),
        shutil.which("chromedriver"),
    )
    if not (chromium and driver_path):
        pytest.skip("needs chromium and chromedriver")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(driver_path))
    yield driver
    driver.quit()
