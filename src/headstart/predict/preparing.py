"""Items as a network wants them, one by one, in threads of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Item
from headstart.core.source import Preprocessing
from headstart.data.folders.locate import missing
from headstart.predict import spoken, tiles
from headstart.predict.spoken import Window


@dataclass(frozen=True, eq=False)
class Prepared:
    """An item as the network wants it, or why there is none."""

    content: np.ndarray | None = None
    size: tuple[int, int] = (0, 0)
    """Height and width of what was prepared, where each place of it is asked for."""
    unread: str = ""
    error: str = ""
    texts: tuple[str, ...] = ()
    """Of what is in words."""
    windows: tuple[Window, ...] = ()
    """In place of `content`, of a long recording whose words are wanted."""


def ready(
    item: Item,
    contract: Preprocessing,
    pairs: bool | None,
    places: bool = False,
    tiling: tiles.Tiling | None = None,
    heard: bool = False,
) -> Prepared:
    """An item for a network of that contract; `heard`: in windows where it is longer than one."""
    modality: Any = modalities.get(contract.modality)
    try:
        with modality.held(item.read(), contract.levels) as opened:
            if pairs is not None and (opened.second is not None) != pairs:
                held, wanted = ("one text", "pairs") if pairs else ("two texts", "one")
                return Prepared(error=f"{held}, but the model reads {wanted}")
            size = modality.extent(opened) if places else (0, 0)
            if tiling is not None and tiles.number(tiling.units(size)) > 1:
                return Prepared(size=size)  # it is opened again when its turn is
            if heard and (found := spoken.windows(modality, opened, contract)):
                return Prepared(windows=found, unread=spoken.unread(opened, found))
            content = modality.prepare(opened, contract)
            unread = modality.unread(opened, content, contract)
            return Prepared(content, size, unread, texts=opened.parts if modality.IN_WORDS else ())
    except FileNotFoundError:
        return Prepared(error=missing(getattr(item, "path", None), item.id).removeprefix("there is "))
    except Exception as error:  # whatever one file does to its decoder, the others are predicted
        return Prepared(error=(str(error) or type(error).__name__).strip().splitlines()[0])
