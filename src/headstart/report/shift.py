"""Two domains as a page of its own, in the style of the report: one file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.files import write_atomic
from headstart.errors import PathError
from headstart.measure import projection
from headstart.report import pictures, texts
from headstart.report.charts import cloud
from headstart.report.page import asset, environment, map_data
from headstart.workflows.shift import Shift
from headstart.workflows.watch import Watched

POINTS = 600
"""Most items of each domain on the map."""
CLASSES = 60
"""Classes that are drawn; of more, those whose frequency differs most."""


def write(path: Path, found: Shift, watched: Watched | None = None) -> Path:
    """Write the page atomically and return its path; with what
    else `watch` found where it is of that. Raises `PathError` where it cannot be written."""
    try:
        write_atomic(path, render(found, watched).encode())
    except OSError as error:
        raise PathError(
            path, f"cannot be written ({error.strerror or error})", "name another file"
        ) from error
    return path


def render(found: Shift, watched: Watched | None = None) -> str:
    """The page as HTML, with the items that differ most and both domains in one map."""
    textual = modalities.get(found.both.modality).IN_WORDS
    room = texts if textual else pictures
    shown = {"items": {str(one.row): room.item(found.both, one.row) for one in found.items}}
    points = placed(found)
    shown |= room.of_map(found.both, points, time.monotonic)
    drawn = {
        "map": {
            "points": points,
            "labels": [title(found, side) for side in (0, 1)],
            "source": found.source,
            "sentence": "Neighbours look alike to it.",
        }
    }
    script = asset("page.js")
    classes = sorted(found.classes, key=lambda one: -abs(one.estimate - one.source))[:CLASSES]
    shares = [one.source for one in classes] + [max(one.predicted, one.high) for one in classes]
    return environment().get_template("shift.html").render(
        found=found,
        watched=watched,
        nouns=found.nouns,
        textual=textual,
        shown=shown,
        insight=drawn,
        figure=cloud.cloud(drawn["map"]),
        map_data=map_data(drawn, shown),
        classes=sorted(classes, key=found.classes.index),
        most=max(shares, default=1.0) or 1.0,
        words_apart=[one for one in found.features if one["kind"] == "word"],
        looks=[one for one in found.features if one["kind"] == "look"],
        style=asset("style.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip


def title(found: Shift, side: int) -> str:
    """A: photos/"""
    return f"{'AB'[side]}: {found.names[side]}"


def placed(found: Shift) -> list[dict[str, Any]]:
    """Items of both domains in a plane, at most `POINTS` of each, as the map of a report has them."""
    rng, n = np.random.default_rng(found.seed), found.sizes[0]
    parts = (rng.permutation(size)[:POINTS] + start for size, start in zip(found.sizes, (0, n), strict=True))
    rows = np.sort(np.concatenate(list(parts)))
    places, _ = projection.plane(found.embedding[rows], seed=found.seed)
    return [
        {
            "row": row,
            "id": found.both.items[row].id,
            "x": round(x, 4),
            "y": round(y, 4),
            "label": title(found, int(row >= n)),
        }
        for row, (x, y) in zip(rows.tolist(), places.tolist(), strict=True)
    ]
