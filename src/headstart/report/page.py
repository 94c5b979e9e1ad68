"""report.html: one file, no network, no scripts; what a manager reads."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from headstart.core import words
from headstart.core.budget import words as seconds_in_words
from headstart.core.files import write_atomic

THUMBNAIL = 96
"""Pixels on the longer side of a picture in the report."""


def render(
    content: Mapping[str, Any],
    mistakes: Sequence[Mapping[str, Any]] = (),
    examples: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page as HTML from the content of run.json and pictures made by `picture`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("headstart", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["seconds"] = seconds_in_words
    environment.globals["words"] = words
    scale = Scale.over(content["answer"]["rows"])
    template = environment.get_template("page.html")
    return template.render(run=content, mistakes=mistakes, examples=examples, scale=scale)


@dataclass(frozen=True)
class Scale:
    """From metric values to the 0..100 of the interval drawings."""

    low: float
    high: float

    @classmethod
    def over(cls, rows: Sequence[Mapping[str, Any]]) -> Scale | None:
        """The scale that holds every interval; None when there is nothing to draw."""
        ends = [row[key] for row in rows for key in ("low", "high") if row[key] is not None]
        return cls(min(ends), max(ends)) if ends and max(ends) > min(ends) else None

    def at(self, value: float) -> float:
        return round(99 * (value - self.low) / (self.high - self.low), 2)

    def width(self, low: float, high: float) -> float:
        return round(max(0.5, self.at(high) - self.at(low)), 2)


def write(
    path: Path,
    content: Mapping[str, Any],
    mistakes: Sequence[Mapping[str, Any]],
    examples: Sequence[Mapping[str, Any]],
) -> Path:
    """Write the page atomically and return its path."""
    write_atomic(path, render(content, mistakes, examples).encode())
    return path


def picture(data: bytes, caption: str, detail: str = "") -> dict[str, Any]:
    """An item as a small embedded picture with its caption."""
    from PIL import Image

    from headstart.modalities.image import open_image

    image = open_image(data)
    if max(image.size) < THUMBNAIL:
        scale = THUMBNAIL // max(image.size) or 1
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=80)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return {"source": f"data:image/jpeg;base64,{encoded}", "caption": caption, "detail": detail}
