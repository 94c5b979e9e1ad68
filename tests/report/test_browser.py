"""The page in a real browser: headless Chromium, where it is installed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headstart.report import page

pytestmark = pytest.mark.slow

CONTRAST = """
const parse = (text) => {
  const numbers = text.match(/[-\\d.e]+/g).map(Number);
  const unit = text.startsWith("color(") ? 1 : 255;
  return { rgb: numbers.slice(0, 3).map((v) => v / unit), alpha: numbers.length > 3 ? numbers[3] : 1 };
};
const light = ({ rgb }) => {
  const [r, g, b] = rgb.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.alpha === 1) return colour;
  }
  return parse(getComputedStyle(document.documentElement).colorScheme.includes("x") ? "rgb(0,0,0)" : "rgb(255,255,255)");
};
const poor = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !node.getClientRects().length || node.closest(".unseen, script, title")) continue;
  const style = getComputedStyle(node);
  const ink = light(parse(node instanceof SVGElement ? style.fill : style.color)), paper = light(behind(node));
  const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  if (ratio < 4.5) poor.push([ratio.toFixed(2), node.className.toString(), walker.currentNode.textContent.trim().slice(0, 40)]);
}
return poor;
"""
FIGURES = """
const wrong = [], body = document.body.getBoundingClientRect();
for (const svg of document.querySelectorAll("svg[role=img], svg.bar")) {
  const box = svg.getBoundingClientRect(), name = svg.getAttribute("aria-label") || "bar";
  if (!(box.width > 20 && box.height > 5)) wrong.push([name, "size", box.width, box.height]);
  if (!svg.closest(".wide") && (box.left < -0.5 || box.right > innerWidth + 0.5)) wrong.push([name, "outside the page"]);
  for (const mark of svg.querySelectorAll("text, use, path, rect, line, circle:not(#map-ring)")) {
    const inner = mark.getBoundingClientRect();
    if (inner.left < box.left - 1 || inner.right > box.right + 1 || inner.top < box.top - 1 || inner.bottom > box.bottom + 1)
      wrong.push([name, mark.outerHTML.slice(0, 80), inner.left - box.left, inner.right - box.right]);
  }
}
return wrong;
"""
BLANK = (
    "return [...document.images].filter((one) => !one.complete || !one.naturalWidth).map((one) => one.alt)"
)
CUT_OFF = """
const edge = document.body.getBoundingClientRect().right + 1;
return [...document.querySelectorAll("table, figure, svg[role=img], pre, .pictures")]
  .filter((one) => one.getBoundingClientRect().right > edge || (one.closest("details") && !one.getClientRects().length))
  .map((one) => [one.outerHTML.slice(0, 60), one.getBoundingClientRect().right, edge]);
"""


def wide(browser: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def look(browser: Any, scheme: str = "light", media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[[Any], Any]]:
    """Draw a page and open it from disk; afterwards nothing may have gone wrong or left the page."""
    pages = []

    def go(content: Any) -> Any:
        path = page.write(tmp_path / f"report {len(pages)} ä.html", *content.args())
        pages.append(path.as_uri())
        browser.get(pages[-1])
        return browser

    wide(browser, 1440)
    look(browser)
    browser.get_log("performance")
    yield go
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert {url for url in asked if not url.startswith("data:")} <= {url.replace(" ", "%20") for url in pages}


def test_every_run_is_drawn_at_both_widths(content: Any, visit: Callable[[Any], Any]) -> None:
    driver = visit(content)
    for width in (1440, 390):
        wide(driver, width)
        inside = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        scroll, client = driver.execute_script(inside)
        assert scroll <= client == width
        assert driver.execute_script(FIGURES) == []
        assert driver.execute_script(BLANK) == []
    assert driver.execute_script("return document.title").startswith("Helps")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("outcome", ["helps", "hurts", "no evidence", "not compared"])
def test_text_stands_out_from_its_ground(
    scheme: str, outcome: str, make: Any, visit: Callable[[Any], Any], browser: Any
) -> None:
    look(browser, scheme)
    content = make()
    content.record["answer"]["verdict"]["outcome"] = outcome
    driver = visit(content)
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert driver.execute_script(CONTRAST) == []


def test_the_map_shows_items_to_mouse_and_keyboard(make: Any, visit: Callable[[Any], Any]) -> None:
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.by import By

    driver = visit(make())
    field, found = driver.find_element(By.ID, "map-field"), driver.find_element(By.ID, "map-found")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", field)
    mark = driver.find_elements(By.CSS_SELECTOR, "#map-marks use")[7]
    ActionChains(driver).move_to_element(mark).perform()
    tile = found.find_element(By.CSS_SELECTOR, ".tile")
    assert tile.size["width"] == tile.size["height"] == 120
    assert tile.value_of_css_property("background-image").startswith('url("data:image/jpeg')
    assert found.get_attribute("role") == "status"
    driver.execute_script("arguments[0].focus()", field)
    told = {found.text}
    for key in (Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_DOWN, Keys.END):
        field.send_keys(key)
        told.add(found.text)
    assert len(told) >= 5
    field.send_keys("w")
    assert "✗ said" in found.text


def test_the_map_of_texts_shows_them_as_text(make_texts: Any, visit: Callable[[Any], Any]) -> None:
    from selenium.webdriver import Keys
    from selenium.webdriver.common.by import By

    driver = visit(content := make_texts(pairs=True))
    field, found = driver.find_element(By.ID, "map-field"), driver.find_element(By.ID, "map-found")
    field.send_keys(Keys.HOME)
    shown = [one.get_attribute("textContent") for one in found.find_elements(By.CSS_SELECTOR, ".text")]
    assert shown == content.shown["map"]["0"]
    field.send_keys(Keys.END)  # whose text was not kept
    assert found.find_elements(By.CSS_SELECTOR, ".text, script, b") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shaded_words_stand_out(
    scheme: str, make_texts: Any, visit: Callable[[Any], Any], browser: Any
) -> None:
    look(browser, scheme)
    driver = visit(make_texts())
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert driver.execute_script(CONTRAST) == []


def test_everything_is_reached_with_the_tab_key(make: Any, visit: Callable[[Any], Any]) -> None:
    from selenium.webdriver import ActionChains, Keys

    driver = visit(make())
    reached = []
    for _ in range(60):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        reached.append(
            driver.execute_script(
                "const a = document.activeElement, s = getComputedStyle(a);"
                "return [a.id || a.className || a.tagName, s.outlineStyle !== 'none' || a === document.body]"
            )
        )
    assert reached[0][0] == "skip"
    assert {"map-field", "wide", "SUMMARY", "PRE"} <= {name for name, _ in reached}
    assert all(visible for _, visible in reached)


@pytest.mark.parametrize("count", [None, 30, 150])
def test_print_shows_everything(
    count: int | None, make: Any, visit: Callable[[Any], Any], browser: Any
) -> None:
    look(browser, "dark", "print")
    driver = visit(make(count=count))
    wide(driver, 690)  # A4 less its margins
    assert (
        driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert driver.execute_script(CUT_OFF) == []
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    closed = "return document.querySelectorAll('details:not([open])').length"
    before = driver.execute_script(closed)
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    assert driver.execute_script(closed) == before
