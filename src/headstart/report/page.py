"""report.html: one file that needs no network; the page a manager reads and a statistician signs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from headstart import modalities
from headstart.core import words
from headstart.core.budget import words as seconds_in_words
from headstart.core.evidence import unit_of
from headstart.core.files import write_atomic
from headstart.report import adaptation, saved, story
from headstart.report.charts import cloud, curves, forest, marks
from headstart.report.numbers import key_numbers, metric_rows, nouns

CLASSES = 100
"""Rows of the table of classes; of more, those with the lowest recall are shown."""
SIGNS = {"helps": "▲", "hurts": "▼", "no evidence": "○", "not compared": "◇"}
"""The outcome as a sign, for those to whom colours say nothing."""

Record = Mapping[str, Any]


def write(
    path: Path,
    record: Record,
    insight: Record,
    shown: Record,
    events: Sequence[Record] = (),
    domains: Record | None = None,
) -> Path:
    """Write the page atomically and return its path. Arguments as in `render`. Raises `OSError`."""
    write_atomic(path, render(record, insight, shown, events, domains).encode())
    return path


def rewrite(folder: Path, record: Record) -> Path:
    """Draw the page of a finished run again from what its folder holds; no data set is needed."""
    found = saved.insight(folder), saved.pictures(folder), saved.events(folder), saved.domains(folder)
    return write(folder / "report.html", record, *found)


def render(
    record: Record,
    insight: Record,
    shown: Record,
    events: Sequence[Record] = (),
    domains: Record | None = None,
) -> str:
    """The page as HTML.

    `record` is the content of run.json, `insight` of insight.json, `shown` what `samples.gather` made,
    `events` the lines of events.jsonl, `domains` what `saved.domains` gives. All but the first may be empty:
    what is missing is not shown.
    """
    script = asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    answer = record["answer"]
    return (
        environment()
        .get_template("page.html")
        .render(
            run=record,
            nouns=nouns(record),
            textual=modalities.get(modalities.named_in(record)).IN_LINES,
            occluded={item["row"]: item for item in (insight.get("occlusion") or {}).get("items") or ()},
            answer=answer,
            verdict=answer["verdict"],
            metric=record["task"]["metric"],
            sign=SIGNS.get(answer["verdict"]["outcome"], ""),
            insight=insight,
            shown=shown,
            style=asset("style.css"),
            script=script,
            script_hash=digest,
            numbers=list(key_numbers(record, insight)),
            board=board(answer["rows"], record["task"]["metric"]),
            gains=gains(answer["verdict"]["comparisons"]),
            figures=figures(record, insight),
            classes=classes(insight),
            metrics=metric_rows(record, insight),
            tried=story.tried(events),
            decisions=story.decisions(events),
            domain_cells=story.domain_cells,
            untried=story.untried(answer),
            map_data=map_data(insight, shown),
            adaptation=adaptation.told(record, domains or {}),
            shifts=[adaptation.shift_told(one) for one in (domains or {}).get("shifts", ())],
        )
    )


@cache
def asset(name: str) -> str:
    """A file that goes into the page as it is."""
    return (resources.files("headstart.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def environment() -> jinja2.Environment:
    """Templates with everything escaped: names of files and labels are hostile text."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("headstart", "report/templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters["seconds"] = seconds_in_words
    made.filters["label"] = words.label
    made.filters["grid"] = forest.grid_text
    made.filters["unit"] = unit_of
    made.globals["words"] = words
    made.globals["shades"] = marks.shades
    made.globals["apart"] = marks.apart
    return made


def board(rows: Sequence[Record], metric: str) -> dict[str, Any]:
    """The leaderboard's rows, each with its interval on the common scale."""
    drawn = [{"value": row["score"], "low": row["low"], "high": row["high"]} for row in rows]
    bars = forest.Bars(drawn, metric)
    out = [
        {**row, "bar": bars.of(d["value"], d["low"], d["high"]) if row["score"] is not None else None}
        for row, d in zip(rows, drawn, strict=True)
    ]
    return {"rows": out, "scale": bars.scale}


def gains(comparisons: Sequence[Record]) -> list[dict[str, Any]]:
    """The comparisons, each with its gain on a common scale on which zero is marked."""
    bars = forest.Bars([c["gain"] for c in comparisons], "", zero=True)
    ends = ("value", "low", "high")
    return [
        {**c, "bar": None if c["gain"]["value"] is None else bars.of(*(c["gain"][k] for k in ends))}
        for c in comparisons
    ]


def figures(record: Record, insight: Record) -> dict[str, Any]:
    """The geometry of every figure that there is something to draw for; None for the others."""
    curve, depth = insight.get("learning_curve"), insight.get("depth")
    calibration, points = insight.get("reliability"), insight.get("scatter")
    counted, deeper = insight.get("lengths"), insight.get("depth_curve")
    told = (insight.get("confusion") or {}).get("per_class") or ()
    name = record["task"]["labels"][0] if record["task"]["labels"] else ""
    return {
        "curve": curves.learning(curve) if curve and curve.get("points") else None,
        "depth": forest.depth(depth) if depth and depth.get("rows") else None,
        "depths": forest.depths(deeper) if deeper and deeper.get("points") else None,
        "reliability": curves.reliability(calibration) if calibration and calibration.get("bins") else None,
        "scatter": curves.scatter(points, name) if points and points.get("points") else None,
        "recall": curves.recall(told) if any(row.get("curve") for row in told) else None,
        "lengths": curves.histogram(counted, nouns(record)) if counted and counted.get("bins") else None,
        "map": cloud.cloud(insight["map"]) if (insight.get("map") or {}).get("points") else None,
    }


def classes(insight: Record) -> dict[str, Any] | None:
    """Confusion table with shades, the pairs most often confused, and the classes; None without any."""
    found = insight.get("confusion")
    if not found:
        return None
    table = found.get("table")
    rows = list(found.get("per_class") or ())
    worst = sorted(rows, key=lambda row: 2.0 if row["recall"] is None else row["recall"])
    return {
        "labels": found["labels"],
        "table": table,
        "shades": cloud.shades(table) if table else None,
        "pairs": found.get("pairs") or [],
        "rows": rows if len(rows) <= CLASSES else worst[:CLASSES],
        "left_out": max(0, len(rows) - CLASSES),
    }


def map_data(insight: Record, shown: Record) -> dict[str, Any] | None:
    """What the script needs to show the item under the pointer; None without a map."""
    found = insight.get("map")
    if not found or not found.get("points"):
        return None
    sheet = shown.get("sheet") or {}
    place = {row: number for number, row in enumerate(sheet.get("rows", ()))}
    return {
        "sheet": sheet.get("source"),
        "tile": sheet.get("tile"),
        "columns": sheet.get("columns"),
        "texts": [(shown.get("map") or {}).get(str(p["row"])) or [] for p in found["points"]]
        if shown.get("map")
        else None,
        "points": [
            [
                p["id"],
                words.label(p["label"]),
                "" if p.get("said") is None else words.label(p["said"]),
                {True: 1, False: 0}.get(p.get("right"), -1),
                int(p.get("part") == "test"),
                place.get(p["row"], -1),
            ]
            for p in found["points"]
        ],
    }
