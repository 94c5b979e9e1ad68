"""The histogram of lengths: a bar for each range of tokens, and the source's limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.core import words
from headstart.report.charts.curves import BOX
from headstart.report.charts.scales import WIDTH, Scale, axis

HEIGHT = 230.0


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
    y = Scale(0.0, 1.08 * most, HEIGHT - 46, BOX["top"])
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
        "height": HEIGHT,
        **BOX,
        "bottom": HEIGHT - 46,
        "x_ticks": axis(x),
        "y_ticks": [t for t in axis(y, most=5) if float(t["text"].replace(",", "")).is_integer()],
        "bars": bars,
        "limit": {"x": x.at(limit), "text": f"reads {limit:,}"} if seen else None,
        "x_title": "tokens" + (" (logarithmic)" if log else ""),
        "y_title": nouns[1],
    }
