from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from headstart.report import markdown, page
from headstart.report.charts import forest

VOID = {"meta", "link", "img", "br", "hr", "input"}
SVG_LEAVES = {"line", "path", "rect", "circle"}


class Tree(HTMLParser):
    """Every tag with its attributes; raises on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def drawn(content: Any) -> tuple[str, Tree]:
    html = page.render(*content.args())
    return html, Tree(html)


def test_the_page_is_well_formed_and_says_the_verdict_first(content: Any) -> None:
    html, tree = drawn(content)
    assert html.startswith("<!doctype html>")
    start, _, rest = content.record["answer"]["verdict"]["sentence"].partition(": ")
    assert tree.text.index(start) < tree.text.index(rest) < tree.text.index("Leaderboard")
    assert len(tree.all("h1")) == len(tree.all("main")) == 1
    identifiers = [a["id"] for _, a in tree.seen if a.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for attributes in tree.all("a"):
        assert attributes["href"][1:] in identifiers
    assert len(html) < 6e6


def test_nothing_is_fetched_and_only_the_pages_own_script_runs(content: Any) -> None:
    html, tree = drawn(content)
    for tag, attributes in tree.seen:
        assert tag not in {"iframe", "object", "embed", "form", "base"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert re.match(r"data:|#", attributes.get(name) or "#"), attributes
    assert not re.search(r"url\((?!\"\$\{data)|@import", html)
    policy = next(a["content"] for a in tree.all("meta") if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:;")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_names_of_users_are_text(content: Any) -> None:
    html, tree = drawn(content)
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "<b>photos</b>" not in html
    assert "<b>photos</b>" in tree.text
    assert "no time <left>" in tree.text


def test_what_is_there_has_a_heading_and_what_is_not_has_none(make: Any) -> None:
    full = make()
    full.record["answer"]["response"] = [{"step": "lower rate", "arm": "a: full", "text": "it hurt"}]
    parts = {a["id"] for a in drawn(full)[1].all("section") if a.get("id")}
    assert parts == {
        "board", "compared", "mistakes", "labels", "classes", "curve", "depth", "reliability", "metrics", "map", "tried",
        "response", "untried", "data", "again",
    }  # fmt: skip
    full.insight = dict.fromkeys(full.insight) | {"mistakes": [], "label_errors": []}
    full.shown, full.events = {}, []
    del full.record["answer"]["response"], full.record["command"]
    full.record["answer"] |= {
        "skipped": [],
        "test_metrics": {},
        "test": None,
        "rows": full.record["answer"]["rows"][:2],
    }
    html, tree = drawn(full)
    assert {a["id"] for a in tree.all("section") if a.get("id")} == {"board", "compared", "data", "again"}
    assert "map-data" not in re.sub(r"<script>.*?</script>", "", html, flags=re.S)


def test_a_run_without_scores_still_has_a_page(make: Any) -> None:
    content = make()
    answer = content.record["answer"]
    answer["rows"] = answer["rows"][2:]
    answer["verdict"] |= {
        "comparisons": [],
        "missing": [],
        "outcome": "not compared",
        "sentence": "Not compared: none.",
    }
    html, _ = drawn(content)
    assert "cut off" in html
    assert "What transfer was compared with" not in html


def test_everyone_can_read_it(content: Any) -> None:
    _, tree = drawn(content)
    assert all(a.get("alt") for a in tree.all("img"))
    for svg in tree.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
    assert all(a.get("scope") in {"row", "col"} for a in tree.all("th"))
    assert tree.all("html")[0]["lang"] == "en"
    assert [a for a in tree.all("a") if a.get("class") == "skip"]
    assert all(a["aria-labelledby"] for a in tree.all("section"))
    for region in [a for a in tree.all("div") if a.get("class") == "wide"]:
        assert region["tabindex"] == "0"
        assert region["aria-label"]


def test_the_numbers_of_figures_are_in_tables_too(make: Any) -> None:
    _, tree = drawn(make())
    text = " ".join(tree.text.split())
    assert "71.5 % [66.5, 77.9]" in text  # learning curve
    assert "62.0 % [50.0, 75.0]" in text  # depth
    assert "55.0 % [40.0, 63.3]" in text  # depth by labels
    assert "Expected calibration error 3.0 % (before: 10.0 %)" in text


def test_many_classes(make: Any) -> None:
    content = make(count=150)
    content.record["task"]["labels"] = [f"class {i}" for i in range(2000)]
    html, _ = drawn(content)
    assert "and 1950 more" in html
    assert "The 100 classes with the lowest recall (50 more in insight.json)" in html
    assert "Confusion table" not in html


def test_what_the_script_reads(make: Any) -> None:
    content = make()
    html, _ = drawn(content)
    found = re.search(r'<script type="application/json" id="map-data">(.*?)</script>', html, re.S)
    assert found
    data = json.loads(found[1])
    assert len(data["points"]) == 240
    assert data["points"][0][:4] == [
        "<script>alert(1)</script>",
        "<script>alert(1)</script>",
        "a \"quoted\" & 'odd' name.png",
        0,
    ]
    assert [p[5] for p in data["points"]] == [*range(100), *[-1] * 140]


def test_labels_saved_are_a_number_at_the_top(make: Any) -> None:
    content = make()
    content.insight["learning_curve"]["saved"]["at_least"] = True
    text = " ".join(drawn(content)[1].text.split())
    assert "at least 3.8 ×" in text
    assert "[2.1, 5.5]: 21 labels do what 80 do for a: scratch" in text
    content.insight["learning_curve"]["saved"]["low"] = 0.9  # perhaps none is saved
    assert "fewer labels" not in drawn(content)[1].text


def test_a_page_is_drawn_again_without_the_data(make: Any, tmp_path: Path) -> None:
    content = make()
    (tmp_path / "insight.json").write_text(json.dumps(content.insight))
    (tmp_path / "pictures.json").write_text(json.dumps(content.shown))
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in content.events))
    path = page.rewrite(tmp_path, content.record)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == page.render(*content.args())
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("outcome", page.SIGNS)
def test_an_outcome_is_a_sign_and_not_only_a_colour(make: Any, outcome: str) -> None:
    content = make()
    content.record["answer"]["verdict"]["outcome"] = outcome
    assert page.SIGNS[outcome] in drawn(content)[1].text


def test_what_is_never_held_out_stands_beside_every_score(make: Any) -> None:
    content = make("classification")
    lacking = {"items": 24, "of": 48, "classes": {"'<bee>'": 24}, "sentence": "Only 'ant' can be held out."}
    content.record["split"]["never_held_out"] = lacking
    content.record["answer"]["rows"][0]["covers"] = "1 of 2 classes"
    html = page.render(*content.args())
    assert html.count('<p class="lacking">Only &#39;ant&#39; can be held out.</p>') >= 4
    assert "<bdi>&#39;&lt;bee&gt;&#39;</bdi> (24 items): 24 of 48 items in all." in html
    assert html.count("1 of 2 classes") == 2  # the leaderboard, and the number at the top
    assert "can be held out" not in page.render(*make("classification").args())


@pytest.mark.parametrize(
    ("value", "low", "high"), [(0.5, 0.4, 0.6), (0.4, 0.4, 0.4), (0.2, 0.3, 0.6), (1.0, 0.9, 1.0)]
)
def test_a_tick_lies_inside_its_bar(value: float, low: float, high: float) -> None:
    """Also where a run of an older version has a score outside its interval."""
    bars = forest.Bars(
        [{"value": value, "low": low, "high": high}, {"value": 0.0, "low": 0.0, "high": 1.0}], "mAP"
    )
    bar = bars.of(value, low, high)
    width = max(forest.BAND, bar["high"] - bar["low"])
    assert bar["low"] <= bar["tick"]
    assert bar["tick"] + bar["tick_width"] <= bar["low"] + width + 0.011


def test_numbers_that_are_not_finite(make: Any) -> None:
    """In the folder of a run they are null: what reads as nothing is drawn as nothing."""
    content = make()
    answer = content.record["answer"]
    answer["verdict"]["comparisons"][0]["gain"] |= dict.fromkeys(("low", "high"))
    answer["verdict"]["comparisons"][1]["gain"] |= dict.fromkeys(("value", "low", "high"))
    answer["rows"][0] |= dict.fromkeys(("low", "high", "gain_low"))
    answer["test"] |= dict.fromkeys(("value", "low", "high"))
    _, tree = drawn(content)
    assert "[not known]" in tree.text
    assert "None" not in tree.text
    assert "None" not in markdown.render(content.record, content.insight, content.events)
