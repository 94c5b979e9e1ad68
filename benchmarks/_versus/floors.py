"""What nothing can beat on this machine: the network's bare forward, the peak of matrix products, decoding the files.

    floors.py DATA ARCH WEIGHTS

The forward is eager float32 and bfloat16, channels last, in batches of 32, over pictures that are prepared and in memory;
the peak is that of the best of five products of 2,048 x 2,048 matrices; files are decoded by Pillow.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from say import say, timed
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048
KINDS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def peak(kind: torch.dtype) -> dict[str, float]:
    """Seconds of the best of five products."""
    a, b = torch.randn(2, SIDE, SIDE).to(kind)
    found = [timed(lambda: a @ b)[1] for _ in range(6)][1:]
    return min(found, key=lambda took: took["seconds"])


def main() -> None:
    data, arch, weights = sys.argv[1:]
    contents = [path.read_bytes() for path in sorted(Path(data).rglob("*.jpg"))]

    def decode() -> list[np.ndarray]:
        return [np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents]

    pictures, decoding = timed(decode)
    parts: dict[str, dict[str, Any]] = {"decode": decoding}
    model = timm.create_model(arch, pretrained=True, pretrained_cfg_overlay={"file": weights}, num_classes=0)
    model.eval().to(memory_format=torch.channels_last)
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(stacked[:1].float())
    for name, kind in KINDS.items():
        net = model.to(kind)
        with torch.inference_mode():
            batches = [
                (part / 255).to(kind).contiguous(memory_format=torch.channels_last)
                for part in stacked.split(32)
            ]
            net(batches[0])
            took = timed(lambda net=net, batches=batches: [net(batch) for batch in batches])[1]
        parts[f"forward, {name}"] = {**took, "value": counter.get_total_flops() * len(pictures)}
        parts[f"matrix product, {name}"] = {**peak(kind), "value": 2 * SIDE**3}
    say(parts=parts)


if __name__ == "__main__":
    main()
