"""Photograph the demo's report page with Chromium: python docs/screenshots.py, or make screenshots.

Needs chromium and chromedriver (Debian: chromium-driver) and the `browser` extra. Writes report.png,
report-dark.png and report-phone.png.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SHOTS = {
    "report.png": (1120, 1500, "light"),
    "report-dark.png": (1120, 1500, "dark"),
    "report-phone.png": (390, 1500, "light"),
}
"""File -> width and height in CSS pixels, colour scheme."""


def main() -> None:
    """Run the demo unless a run is given, and photograph its page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "images", help="folder of the pictures"
    )
    parser.add_argument("--run", type=Path, help="a finished run to photograph instead of the demo's")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = given.run
        if run is None:
            command = [sys.executable, "-m", "headstart", "demo", "--out", "headstart-demo"]
            subprocess.run(command, cwd=folder, check=True)
            run = Path(folder) / "headstart-demo" / "run-paper-0"
        else:
            subprocess.run(
                [sys.executable, "-m", "headstart", "report", str(run), "--format", "html"], check=True
            )
        browser = chromium()
        try:
            for name, (width, height, scheme) in SHOTS.items():
                path = given.out / name
                save(photograph(browser, run / "report.html", width, height, scheme), path)
                sys.stdout.write(f"{path} ({path.stat().st_size / 1000:.0f} kB)\n")
        finally:
            browser.quit()


def chromium() -> Any:
    """A headless browser. Exits with one sentence where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        sys.exit(
            "screenshots: chromium and chromedriver are needed (Debian: apt-get install chromium-driver)"
        )
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = program
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ):
        options.add_argument(flag)
    return Chrome(options=options, service=Service(driver))


def photograph(browser: Any, page: Path, width: int, height: int, scheme: str) -> bytes:
    """The upper part of a page as PNG, at one and a half device pixels a CSS pixel."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": width < 500}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.resolve().as_uri())
    return base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])


def save(png: bytes, path: Path) -> None:
    """With 256 colours: a third of the size, and no difference to the eye."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(256, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


if __name__ == "__main__":
    main()
