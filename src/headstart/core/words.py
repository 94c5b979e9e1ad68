"""Numbers as people read them. One place, so that terminal, report and verdict say the same."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from headstart.core.metric import named
from headstart.core.untrusted import limits


def value(metric: str, number: float | None, *, unit: bool = True) -> str:
    """0.9123 -> "91.2 %" for fractions, four digits for the rest, "-" for nothing."""
    if number is None or math.isnan(number):
        return "-"
    if named(metric).percent:
        return f"{100 * number:.1f}" + (" %" if unit else "")
    return f"{number:.4f}" if named(metric).probabilities and abs(number) < 1 else plain(number)


def plain(number: float, digits: int = 4, *, sign: str = "") -> str:
    """1,590 or 0.0329: so many digits, and never an exponent where a person would write the number out."""
    return f"{number:{sign},.0f}" if 1000 <= abs(number) < 1e15 else f"{number:{sign}.{digits}g}"


def label(given: Any) -> str:
    """A label, a list of labels or a number as a person reads it."""
    if isinstance(given, float):
        return plain(given)
    return ", ".join(map(str, given)) or "none" if isinstance(given, list | tuple) else str(given)


def printable(text: str) -> str:
    """Without characters that a terminal would obey, or that turn a line around: a file name may hold any.

    Joiners of letters stay where they can join any; between two of ASCII they would only hide.
    """
    text = "".join(c if c.isprintable() or c in "\n\t\u200c\u200d" else "\ufffd" for c in text)
    return _HIDDEN.sub("\ufffd", text)


_HIDDEN = re.compile("(?<![^\x00-\x7f])[\u200c\u200d]+(?![^\x00-\x7f])")


def cell(text: str) -> str:
    """The same on one line, for a table: a name with a line end in it would look like two."""
    return printable(text).replace("\n", "\ufffd").replace("\t", " ")


def shortened(text: str, most: int, *, lines: bool = False) -> str:
    """At most `most` characters, cut at the end of a word, with an ellipsis where something is left out.

    Blanks and line ends become single blanks, unless `lines` are kept.
    """
    text = text.strip() if lines else " ".join(text.split())
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    end = max(cut.rfind(" "), cut.rfind("\n"))
    if text[most - 1].isspace():
        end = len(cut)
    # scripts without blanks, and very long words, are cut anywhere
    return (cut[:end] if end >= most // 2 else cut).rstrip() + "…"


def interval(metric: str, low: float, high: float) -> str:
    """[89.0, 93.1]; of a number that is no fraction, one of no width is none: a single unit tells nothing."""
    if low == high and not named(metric).percent:
        return "[not known]"
    return f"[{value(metric, low, unit=False)}, {value(metric, high, unit=False)}]"


def gain(metric: str, number: float | None) -> str:
    """+27.8 points; +0.31 for metrics that are not fractions, "-" for nothing. Positive is better."""
    if number is None:
        return "-"
    if named(metric).percent:
        return f"{signed(100 * number)} points"
    return plain(number, 3, sign="+")


def gain_interval(metric: str, low: float | None, high: float | None) -> str:
    """[25.0, 30.6], in points for fractions."""
    if low is None or high is None:
        return "[not known]"
    if named(metric).percent:
        return f"[{100 * low:.1f}, {100 * high:.1f}]".replace("-0.0", "0.0")
    return f"[{plain(low, 3)}, {plain(high, 3)}]"


def estimate(metric: str, number: float | None, low: float, high: float) -> str:
    """91.2 % [89.0, 93.1]"""
    return f"{value(metric, number)} {interval(metric, low, high)}"


def gain_estimate(metric: str, number: float | None, low: float | None, high: float | None) -> str:
    """+27.8 points [25.0, 30.6]"""
    return f"{gain(metric, number)} {gain_interval(metric, low, high)}"


def signed(number: float) -> str:
    """+1.2, -0.4, and never -0.0."""
    text = f"{number:+.1f}"
    return "+0.0" if text == "-0.0" else text


def count(number: int, noun: str, plural: str = "") -> str:
    """1 image, 2 images, 1,234 classes."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def few(these: Sequence[Any], most: int = 5, *, each: Callable[[Any], str] = str, apart: str = ", ") -> str:
    """a, b, c and 12 more."""
    left = len(these) - most
    more = f"{apart.rstrip(', ')} and {left:,} more" if left > 0 else ""
    return apart.join(map(each, these[:most])) + more


size = limits.in_words


def brief(specs: Sequence[str], most: int = 40) -> list[str]:
    """Names of sources for a narrow column: of a long path the last part, where it tells it from the others.

    >>> brief(["bundled/strokes", "file:/home/me/networks/of/all/kinds/large.safetensors"])
    ['bundled/strokes', '.../large.safetensors']
    """
    ends = [spec.rpartition("/")[2] for spec in specs]
    return [
        f".../{end}" if len(spec) > most and ends.count(end) == 1 else spec
        for spec, end in zip(specs, ends, strict=True)
    ]
