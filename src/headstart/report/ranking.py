"""A ranking of sources as a page of its own, in the style of the report: one file that fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.core import words
from headstart.report.charts import forest
from headstart.report.page import asset, environment


def render(found: Mapping[str, Any]) -> str:
    """The page as HTML; `found` is what `workflows.rank.Ranking.to_json` gives."""
    rows = found["ranking"]
    bars = forest.Bars([row["expected"] for row in rows], found["metric"])
    drawn = [
        {
            **row,
            "called": called,
            "terms": (row["licence"] or "licence not stated").partition(";")[0],
            "bar": bars.of(*(row["expected"][end] for end in ("value", "low", "high"))),
        }
        for row, called in zip(rows, words.brief([row["source"] for row in rows]), strict=True)
    ]
    page = environment().get_template("ranking.html")
    return page.render(
        found=found, rows=drawn, scale=bars.scale, metric=found["metric"], style=asset("style.css")
    )
