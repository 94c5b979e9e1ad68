from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.core import words
from headstart.core.dataset import Dataset, FileItem, TextItem
from headstart.core.task import Task
from headstart.report import markdown, page, samples, texts
from headstart.report.charts import curves, marks

from .test_page import drawn

TASK = Task("classification", ("ant", "bee"), "accuracy")


def dataset(contents: list[str], *, pairs: bool = False) -> Dataset:
    items: list[Any] = [TextItem(f"row {i + 1}", t, "b" if pairs else None) for i, t in enumerate(contents)]
    items += [TextItem("blank", "  ", None), FileItem("gone", Path("/nowhere/gone.txt"))]
    y = np.arange(len(items)) % 2
    y[0] = -1
    return Dataset("d", "text", tuple(items), TASK, y, pairs=pairs)


def insight(rows: list[int]) -> dict[str, Any]:
    points = [{"row": r, "id": str(r), "x": 0.5, "y": 0.5, "right": r != 3} for r in rows]
    return {"mistakes": [{"row": 1}], "label_errors": [{"row": 0}, {"row": 5}], "map": {"points": points}}


def test_texts_of_what_the_insight_names() -> None:
    data = dataset(["a", "<b>\n c", "word " * 3000, "漢" * 9000, "é"])
    shown = samples.gather(data, TASK, insight(list(range(7))))
    json.dumps(shown)  # plain
    assert (shown["version"], shown["modality"]) == (1, "text")
    assert set(shown["items"]) == {"0", "1", "2", "3", "4"}  # neither the blank one nor the one that is gone
    assert shown["items"]["1"] == {"texts": ["<b>\n c"], "id": "row 2", "label": "bee"}
    assert shown["items"]["0"]["label"] is None
    for row in ("2", "3"):
        kept = shown["items"][row]["texts"][0]
        assert len(kept) <= texts.KEPT
        assert kept.endswith("…")
    assert set(shown["examples"]) == {1, 2, 3, 4}
    assert set(shown["map"]) == {"0", "1", "2", "3", "4"}
    assert all(len(one) <= texts.ON_MAP for each in shown["map"].values() for one in each)


def test_pairs_and_runs_without_a_map() -> None:
    shown = samples.gather(dataset(["a", "c"], pairs=True), TASK, {})
    assert shown["items"]["1"]["texts"] == ["c", "b"]
    assert shown["map"] == {}


def test_the_map_does_not_wait_for_slow_files() -> None:
    now = iter(range(100))
    shown = samples.gather(dataset(["a"] * 9), TASK, insight(list(range(9))), clock=lambda: float(next(now)))
    assert len(shown["map"]) == 3


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two…"),
        ("one two three", 8, "one two…"),
        ("one  two\nthree", 9, "one two…"),
        ("a bbbbbbbbbbbbbbbbb", 10, "a bbbbbbb…"),
        ("漢字漢字漢字", 4, "漢字漢…"),
        ("", 4, ""),
    ],
)
def test_a_text_is_cut_at_the_end_of_a_word(text: str, most: int, expected: str) -> None:
    found = words.shortened(text, most)
    assert found == expected
    assert len(found) <= most


def test_strong_words_are_shown_wherever_they_stand() -> None:
    pieces = [{"before": " ", "text": "word", "effect": 0.01} for _ in range(100)]
    pieces[90]["effect"], pieces[2]["effect"] = -2.0, 1.0
    found = marks.shades(pieces, 60, 2.0)
    assert [(f["text"], f["kind"], f["share"], f["strong"]) for f in found if f["kind"]] == [
        ("word", "for", 50, True),
        ("word", "against", 100, True),
    ]
    assert [f["before"] for f in found[-2:]] == [" … ", " …"]
    assert len(found) == 12 + 2
    assert marks.shades([], 60, 0.0) == []


def test_texts_on_the_page_are_text_and_both_of_a_pair_are_named(make_texts: Any) -> None:
    html, tree = drawn(make_texts(pairs=True))
    assert tree.text.count("first ") >= 15
    assert "<b>late</b>" in tree.text
    assert "Held-out pairs of texts on which" in tree.text
    assert "The pairs of texts as the source sees them" in tree.text
    assert "the whole text" in tree.text
    assert not tree.all("img")
    data = json.loads(html.partition('id="map-data">')[2].partition("</script>")[0])
    assert len(data["texts"]) == len(data["points"])
    assert data["texts"][239] == []
    assert len(data["texts"][0]) == 2


def test_words_that_mattered_have_a_sentence_too(make_texts: Any) -> None:
    _, tree = drawn(make_texts())
    text = " ".join(tree.text.split())
    assert text.count("mostly because of: “</script><img src=x onerror=alert(1)>”") == 8
    assert "The shipped model now gives it 25 %. It does not read the last 7 words." in text
    kinds = {a["class"] for a in tree.all("mark")}
    assert kinds == {"for", "against", "for strong", "against strong"}
    without = make_texts()
    without.insight["occlusion"] = None
    assert "<mark" not in drawn(without)[0]


def test_markdown_tells_the_texts_of_doubtful_labels(make_texts: Any) -> None:
    content = make_texts(pairs=True)
    content.shown["items"]["0"]["texts"] = ["one | <b>two</b>\nthree", "four"]
    told = markdown.render(content.record, content.insight, content.events, content.shown)
    assert "one \\| &lt;b&gt;two&lt;/b&gt; three / four |" in told
    assert "| item | given | suggested |\n" in markdown.render(
        content.record, content.insight, content.events
    )


def test_a_text_run_is_drawn_again_without_the_data(make_texts: Any, tmp_path: Path) -> None:
    content = make_texts()
    (tmp_path / "insight.json").write_text(json.dumps(content.insight))
    (tmp_path / "pictures.json").write_text(json.dumps(content.shown))
    assert page.rewrite(tmp_path, content.record).read_text(encoding="utf-8") == page.render(
        content.record, content.insight, content.shown
    )


@pytest.mark.parametrize("limit", [2, 100, 256, 700, 100_000])
def test_the_histogram_of_lengths(make_texts: Any, limit: int) -> None:
    found = {**make_texts().insight["lengths"], "limit": limit}
    figure = curves.histogram(found)
    assert len(figure["bars"]) == len(found["bins"])
    for bar in figure["bars"]:
        assert figure["left"] <= bar["x"] <= bar["x"] + bar["width"] <= figure["right"]
        assert bar["y"] + bar["height"] == pytest.approx(figure["bottom"])
    assert (figure["limit"] is not None) == (limit in (100, 256, 700))
    one = {**found, "bins": [{"low": 4, "high": 4, "count": 3}]}
    assert curves.histogram(one)["bars"][0]["title"] == "4 tokens: 3 texts"
