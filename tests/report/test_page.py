from __future__ import annotations

import io
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from headstart.core.dataset import ArrayItem
from headstart.report import page


def row(arm: str, score: float | None, **more: Any) -> dict[str, Any]:
    base = {
        "arm": arm, "strategy": "probe", "source": None, "status": "done" if score is not None else "cut off",
        "reason": "no time <left>", "seconds": 1.0, "score": score, "low": score and score - 0.1,
        "high": score and score + 0.05, "n": 100, "gain": None, "gain_low": None, "gain_high": None,
        "place": 1, "shipped": False,
    }  # fmt: skip
    return {**base, **more}


def record(**answer: Any) -> dict[str, Any]:
    return {
        "name": "<b>photos</b>",
        "task": {"metric": "accuracy", "kind": "classification", "labels": ["ant", "<bee>"]},
        "split": {"kind": "10 repeats of 5 stratified folds"},
        "data": {"summary": "100 images in 2 classes", "findings": ["HS201 warning"]},
        "question": {"seed": 0, "data": "0123456789abcdef"},
        "command": "headstart fit 'my photos'",
        "versions": {"python": "3.11"},
        "machine": {"system": "Linux"},
        "answer": {
            "verdict": {
                "outcome": "helps", "sentence": "Transfer helps: 90 %", "notes": ["A note."], "arm": "a: probe",
                "missing": [], "comparisons": [
                    {"against": "a: scratch", "gain": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 100},
                     "p_value": 0.01, "smallest_visible": 0.05},
                ],
            },
            "rows": [row("a: probe", 0.9, shipped=True), row("a: full", None, place=None)],
            "skipped": [{"arm": "a: lora", "reason": "no time left"}],
            "reference": "scratch",
            "test": {"metric": "accuracy", "value": 0.91, "low": 0.85, "high": 0.95, "n": 150},
            **answer,
        },
    }  # fmt: skip


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(html)
    return parser.seen


def test_the_page_says_the_verdict_first_and_escapes_what_users_wrote() -> None:
    html = page.render(record(), [])
    assert html.index("Transfer helps: 90 %") < html.index("<table>")
    assert "<b>photos</b>" not in html
    assert "&lt;b&gt;photos" in html
    assert "no time &lt;left&gt;" in html
    assert "ant, &lt;bee&gt;" in html
    many = record()
    many["task"]["labels"] = [f"class {i}" for i in range(2000)]
    assert "class 49 and 1950 more" in page.render(many, [])


def test_nothing_is_fetched() -> None:
    pixels = io.BytesIO()
    np.save(pixels, np.zeros((8, 8), np.uint8), allow_pickle=False)
    html = page.render(
        record(), [page.picture(ArrayItem("x", np.zeros((8, 8), np.uint8)).read(), "x.png", "said")]
    )
    for tag, attributes in tags(html):
        assert tag not in {"script", "link", "iframe", "object"}
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_every_picture_has_words_for_those_who_cannot_see_it() -> None:
    html = page.render(record(), [page.picture(ArrayItem("x", np.zeros((3, 5), np.uint8)).read(), "ä.png")])
    pictures = [a for tag, a in tags(html) if tag == "img"]
    assert [a["alt"] for a in pictures] == ["ä.png"]


@pytest.mark.parametrize(
    ("rows", "expected"), [([], None), ([row("a", None)], None), ([row("a", 0.5)], page.Scale(0.4, 0.55))]
)
def test_the_scale_holds_every_interval(rows: list[dict[str, Any]], expected: page.Scale | None) -> None:
    scale = page.Scale.over(rows)
    assert scale == expected
    if scale is not None:
        assert scale.at(scale.low) == 0
        assert scale.at(scale.high) <= 100


def test_a_run_without_scores_still_has_a_page() -> None:
    html = page.render(record(rows=[row("a", None, place=None)], skipped=[], test=None), [])
    assert "cut off" in html
