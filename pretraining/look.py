"""A contact sheet: `python -m pretraining.look --out sheet.png`; rows are classes, columns instances."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pretraining.generators import FAMILIES
from pretraining.paint import Look
from pretraining.stream import Stream


def sheet(name: str, *, rows: int = 12, columns: int = 10, side: int = 32, seed: int = 1) -> np.ndarray:
    """Pictures of one family as one array `[rows * side, columns * side, 3]`, uint8."""
    stream = Stream({name: 1.0}, 240, seed, side=side, look=Look(backdrop=0.4, skin=0.3))
    codes = torch.arange(rows).repeat_interleave(columns) * (240 // rows)
    pictures = stream.picture(0, codes)
    tiles = pictures.view(rows, columns, 3, side, side).permute(0, 3, 1, 4, 2)
    return (tiles.reshape(rows * side, columns * side, 3) * 255).round().byte().numpy()


def main() -> None:
    """Write the sheet of the families asked for, side by side, magnified."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("sheet.png"))
    parser.add_argument("--family", nargs="*", default=sorted(FAMILIES), choices=sorted(FAMILIES))
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--zoom", type=int, default=2)
    options = parser.parse_args()
    sheets = [sheet(name, side=options.side) for name in options.family]
    image = Image.fromarray(np.concatenate(sheets, 1))
    size = (image.width * options.zoom, image.height * options.zoom)
    image.resize(size, Image.Resampling.NEAREST).save(options.out)
    print(f"{options.out}: {', '.join(options.family)}, left to right")


if __name__ == "__main__":
    main()
