"""A tiny recurrent network of characters with random weights, as a weight file with its record."""

from __future__ import annotations

import json
import string
from pathlib import Path

import torch
from safetensors.torch import save_file

NUMBERS = {"<s>": 1, **{c: n for n, c in enumerate(string.ascii_letters + string.digits + " .,?'", 2)}}
WIDTH, HIDDEN, WINDOW = 6, 8, 10


def write_characters(folder: Path, **fields: object) -> Path:
    """The weights, a record with these `fields` and the characters' numbers; gives the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = torch.Generator().manual_seed(0)
    sizes = {"embedding.weight": (len(NUMBERS) + 1, WIDTH)}
    for number, given in ((1, WIDTH), (2, HIDDEN)):
        sizes |= {
            f"rnn_{number}.weight_ih_l0": (4 * HIDDEN, given),
            f"rnn_{number}.weight_hh_l0": (4 * HIDDEN, HIDDEN),
            f"rnn_{number}.bias_ih_l0": (4 * HIDDEN,),
            f"rnn_{number}.bias_hh_l0": (4 * HIDDEN,),
        }
    sizes |= {"attention.weight": (1, WIDTH + 2 * HIDDEN)}
    sizes |= {"output.weight": (len(NUMBERS) + 1, WIDTH + 2 * HIDDEN), "output.bias": (len(NUMBERS) + 1,)}
    path = folder / "titles.safetensors"
    save_file({name: torch.randn(size, generator=rng) for name, size in sizes.items()}, path)
    record = {"library": "headstart", "arch": "characters", "start": "<s>", "window": WINDOW}
    record |= {"vocabulary": "numbers.json", **fields}
    path.with_suffix(".json").write_text(json.dumps({k: v for k, v in record.items() if v is not None}))
    (folder / "numbers.json").write_text(json.dumps(NUMBERS))
    return path
