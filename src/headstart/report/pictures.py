"""Small pictures of the items that a report shows, so that it can be drawn again without the data set."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from PIL.Image import Image

    from headstart.tasks.base import Places

SIDE = 96
"""Pixels on the longer side of a picture in the report."""
WIDE, GAP = 240, 4
"""The same of a picture that is shown beside its mask, and what is between the two."""
TILE, TILES, COLUMNS = 40, 600, 25
"""Side of a picture on the map, how many there are, and how many in a row of the sheet that holds them."""
SECONDS = 6.0
"""Time for the map's pictures: large photos are slow to open, and the run's budget is a promise."""


def item(dataset: Dataset, row: int) -> dict[str, Any]:
    """`source`: a data URI of the picture, and `sound`, another, where there is something to hear; nothing
    when it cannot be opened."""
    found = opened(dataset, row)
    if found is None:
        return {}
    return {"source": data_uri(fitted(found[0], SIDE)), **({"sound": found[1]} if found[1] else {})}


def beside(dataset: Dataset, row: int, said: Any, methods: Places, classes: int) -> dict[str, Any]:
    """`source`: a data URI of the picture beside its target drawn on it and, where there is one, what was
    said; nothing when it cannot be opened."""
    from PIL import Image

    found = opened(dataset, row)
    if found is None:
        return {}
    whole = found[0]
    factor = min(1.0, WIDE / max(whole.size))
    size = (max(1, round(whole.width * factor)), max(1, round(whole.height * factor)))
    pixels = np.asarray(whole.resize(size, Image.Resampling.BILINEAR))
    parts = [pixels]
    for answer in (dataset.targets[row] if dataset.labelled[row] else None, said):
        if answer is not None:
            parts.append(methods.over(pixels, answer, classes))
    gap = np.full((size[1], GAP, 3), 255, np.uint8)
    row_of = [part for one in parts for part in (gap, one)][1:]
    return {"source": data_uri(Image.fromarray(np.concatenate(row_of, axis=1)))}


def of_map(
    dataset: Dataset, points: Sequence[Mapping[str, Any]], clock: Callable[[], float]
) -> dict[str, Any]:
    """`sheet` holds the map's tiles in one JPEG: source, tile (pixels), columns, rows in the order of the
    tiles; None without a map."""
    return {"sheet": sheet(dataset, map_rows(points), clock) if points else None}


def map_rows(points: Sequence[Mapping[str, Any]], most: int = TILES) -> list[int]:
    """Rows of the map that get a picture: those it was wrong on first, then others spread evenly."""
    wrong = [p["row"] for p in points if p.get("right") is False][:most]
    rest = [p["row"] for p in points if p.get("right") is not False]
    count = min(len(rest), most - len(wrong))
    places = np.linspace(0, max(0, len(rest) - 1), count).round().astype(np.int64)
    return [int(row) for row in [*wrong, *(rest[i] for i in places)]]


def sheet(dataset: Dataset, rows: Sequence[int], clock: Callable[[], float]) -> dict[str, Any] | None:
    """The rows' pictures, cut square, side by side in one JPEG; None when no item can be opened."""
    from PIL import Image, ImageOps

    end = clock() + SECONDS
    tiles, drawn = [], []
    for row in rows:
        if clock() > end:
            break
        found = opened(dataset, row)
        if found is not None:
            tiles.append(ImageOps.fit(found[0], (TILE, TILE), method=Image.Resampling.LANCZOS))
            drawn.append(row)
    if not tiles:
        return None
    whole = Image.new("RGB", (TILE * min(COLUMNS, len(tiles)), TILE * -(-len(tiles) // COLUMNS)))
    for place, tile in enumerate(tiles):
        whole.paste(tile, (TILE * (place % COLUMNS), TILE * (place // COLUMNS)))
    return {"source": data_uri(whole, 70), "tile": TILE, "columns": min(COLUMNS, len(tiles)), "rows": drawn}


def opened(dataset: Dataset, row: int) -> tuple[Image, str] | None:
    """An item as an RGB image, and what is to be heard of it; None when it cannot be opened."""
    room = modalities.get(dataset.modality)
    try:
        return room.shown(room.open_item(dataset.items[row].read(), dataset.levels))
    except (OSError, ValueError, HeadstartError):
        return None


def fitted(image: Image, side: int) -> Image:
    """At most `side` pixels long; small pictures grow by whole pixels, so that they stay sharp."""
    from PIL import Image as pillow

    longest = max(image.size)
    if longest < side:
        scale = side // longest
        return image.resize((image.width * scale, image.height * scale), pillow.Resampling.NEAREST)
    image = image.copy()
    image.thumbnail((side, side))
    return image


def data_uri(image: Image, quality: int = 80) -> str:
    """The image as JPEG inside a `data:` address."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
