"""Figures with two axes: learning curve, reliability, true against predicted, lengths of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.core import words
from headstart.core.metric import named
from headstart.report.charts.scales import WIDTH, Scale, axis, path, spread

HEIGHT = 300.0
BOX = {"left": 58.0, "right": WIDTH - 22, "top": 12.0, "bottom": HEIGHT - 46}
"""Edges of the plot inside the figure."""
LOW = 230.0
"""Height of a histogram."""
LONG = 84.0
"""The left edge where the numbers beside it are long."""


def left_of(metric: str) -> float:
    """Where the plot begins: numbers that are no percentages may be long."""
    return BOX["left"] if named(metric).percent else LONG


def _figure(x: Scale, y: Scale, x_metric: str, y_metric: str, height: float = HEIGHT) -> dict[str, Any]:
    """What every figure with two axes has."""
    box = {**BOX, "left": left_of(y_metric), "bottom": height - 46}
    return {
        "width": WIDTH,
        "height": height,
        **box,
        "x_ticks": axis(x, x_metric),
        "y_ticks": axis(y, y_metric),
    }


def learning(curve: Mapping[str, Any]) -> dict[str, Any]:
    """The learning curve: measured points with intervals, the fitted band, and what twice the labels give."""
    metric, points = curve["metric"], curve["points"]
    band, twice, saved = curve.get("band") or [], curve.get("twice"), curve.get("saved")
    everything = [*points, *band, *([twice] if twice else [])]
    sizes = [p["n"] for p in everything]
    low, high = spread(
        [p[k] for p in everything for k in ("low", "value", "high")]
        + ([saved["their_value"]] if saved else []),
        metric=metric,
    )
    x = Scale(0.9 * min(sizes), 1.1 * max(sizes), left_of(metric), BOX["right"], log=True)
    y = Scale(low, high, BOX["bottom"], BOX["top"])

    def mark(p: Mapping[str, Any]) -> dict[str, Any]:
        text = f"{p['n']:,} {curve.get('unit', 'labels')}: {words.value(metric, p['value'])}"
        if p["low"] is not None and p["high"] is not None:
            text += f" {words.interval(metric, p['low'], p['high'])}"
        at = {k: y.at(p["value"] if p[k] is None else p[k]) for k in ("low", "high")}
        return {"x": x.at(p["n"]), "y": y.at(p["value"]), **at, "title": text}

    reached = None
    if saved:  # the rival's level, and the number of labels that reaches it
        at, right = saved.get("labels"), x.at(saved["their_n"])
        level = {"y": y.at(saved["their_value"]), "x": x.at(at) if at else None}
        reached = {**level, "text": saved["against"], "right": right}
    edge = [(x.at(p["n"]), y.at(p["high"])) for p in band]
    edge += [(x.at(p["n"]), y.at(p["low"])) for p in reversed(band)]
    return {
        **_figure(x, y, "", metric),
        "band": path(edge, closed=True),
        "line": path([(x.at(p["n"]), y.at(p["value"])) for p in band]),
        "points": [mark(p) for p in points],
        "twice": mark(twice) if twice else None,
        "saved": reached,
        "x_title": "labelled items (logarithmic)",
        "y_title": metric,
    }


def reliability(found: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracy against confidence, a mark a bin, and how many items each bin holds."""
    bins = [b for b in found["bins"] if b["count"] and b["accuracy"] is not None]
    x = Scale(0.0, 1.0, BOX["left"], BOX["right"])
    y = Scale(0.0, 1.0, HEIGHT + 6, BOX["top"])
    most = max((b["count"] for b in bins), default=1)
    marks = []
    for b in bins:
        ends = {k: y.at(b["accuracy"] if b[k] is None else b[k]) for k in ("low", "high")}
        marks.append(
            {
                "x": x.at(b["confidence"]), "y": y.at(b["accuracy"]), **ends,
                "size": round(34 * b["count"] / most, 2),
                "title": f"said {100 * b['confidence']:.0f} %, right {100 * b['accuracy']:.0f} % "
                f"of {words.count(b['count'], 'item')}",
            }
        )  # fmt: skip
    return {
        **_figure(x, y, "accuracy", "accuracy", HEIGHT + 52),
        "marks": marks,
        "diagonal": path([(x.at(0), y.at(0)), (x.at(1), y.at(1))]),
        "x_title": "how sure it was",
        "y_title": "how often it was right",
    }


def recall(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Precision against recall, a line a class in its colour."""
    x, y = Scale(0.0, 1.0, BOX["left"], BOX["right"]), Scale(0.0, 1.0, BOX["bottom"], BOX["top"])
    lines = [
        {
            "path": path([(x.at(recall), y.at(precision)) for recall, precision in row["curve"]]),
            "colour": row["colour"],
            "title": f"{row['label']}: AP50 {words.value('accuracy', row['AP50'])}",
        }
        for row in rows
        if row.get("curve")
    ]
    titles = {
        "x_title": "share of the objects that are found",
        "y_title": "share of the boxes that are right",
    }
    return {**_figure(x, y, "accuracy", "accuracy"), "lines": lines, **titles}


def scatter(found: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Predicted against true, on one scale for both."""
    points = found["points"]
    ends = [v for p in points for v in (p["true"], p["predicted"])]
    low, high = spread([*ends, found.get("low"), found.get("high")])
    x = Scale(low, high, LONG, BOX["right"])
    bottom = BOX["top"] + BOX["right"] - LONG  # square: one scale for both
    y = Scale(low, high, bottom, BOX["top"])
    marks = [
        {
            "x": x.at(p["true"]),
            "y": y.at(p["predicted"]),
            "title": f"true {words.plain(p['true'])}, said {words.plain(p['predicted'])}",
        }
        for p in points
    ]
    return {
        **_figure(x, y, "", "", bottom + 46),
        "marks": marks,
        "diagonal": path([(x.at(low), y.at(low)), (x.at(high), y.at(high))]),
        "x_title": f"true {name}".strip(),
        "y_title": f"predicted {name}".strip(),
    }


def histogram(found: Mapping[str, Any], nouns: tuple[str, str] = ("text", "texts")) -> dict[str, Any]:
    """Bars over tokens; the axis is logarithmic where the ranges grow. The limit is drawn where it is in
    sight."""
    bins = found["bins"]
    first, last = bins[0]["low"], bins[-1]["high"] + 1
    widths = [b["high"] + 1 - b["low"] for b in bins]
    log = first > 0 and max(widths) > 2 * min(widths) + 1
    limit = found["limit"]
    if first < limit < 1.6 * last:
        last = max(last, limit + 1)
    x = Scale(first, last, BOX["left"], BOX["right"], log=log)
    most = max(b["count"] for b in bins)
    y = Scale(0.0, 1.08 * most, LOW - 46, BOX["top"])
    bars = []
    for b in bins:
        left, right, top = x.at(b["low"]), x.at(b["high"] + 1), y.at(b["count"])
        span = f"{b['low']:,}" if b["low"] == b["high"] else f"{b['low']:,} to {b['high']:,}"
        bars.append(
            {
                "x": left,
                "y": top,
                "width": round(max(0.5, right - left - 0.8), 2),
                "height": round(y.at(0) - top, 2),
                "title": f"{span} tokens: {words.count(b['count'], *nouns)}",
            }
        )
    seen = first <= limit <= last
    return {
        "width": WIDTH,
        "height": LOW,
        **BOX,
        "bottom": LOW - 46,
        "x_ticks": axis(x),
        "y_ticks": [t for t in axis(y, most=5) if float(t["text"].replace(",", "")).is_integer()],
        "bars": bars,
        "limit": {"x": x.at(limit), "text": f"reads {limit:,}"} if seen else None,
        "x_title": "tokens" + (" (logarithmic)" if log else ""),
        "y_title": nouns[1],
    }
