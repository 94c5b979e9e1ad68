from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.errors import UnknownName
from headstart.train.augment import KINDS, Augment, centre, crop


def ramp(n: int = 4, height: int = 40, width: int = 48) -> torch.Tensor:
    """Red grows to the right, green downwards, blue is constant."""
    x = torch.linspace(0, 255, width).expand(height, width)
    y = torch.linspace(0, 255, height)[:, None].expand(height, width)
    one = torch.stack([x, y, torch.full((height, width), 90.0)])
    return one.round().to(torch.uint8).expand(n, -1, -1, -1).contiguous()


@pytest.mark.parametrize("kind", KINDS)
def test_shape_dtype_and_company_does_not_matter(kind: str) -> None:
    pixels, augment = ramp(6), Augment(kind, (32, 24), seed=7)
    rows = np.array([10, 3, 77, 5, 6, 0])
    out = augment(pixels, rows, epoch=2)
    assert out.shape == (6, 3, 32, 24)
    assert out.dtype == torch.uint8
    assert torch.equal(out[2:3], augment(pixels[2:3], rows[2:3], epoch=2))
    assert (out[:, 2] == 90).all()  # nothing from outside the image, brightness unchanged
    if kind != "none":
        assert not torch.equal(out[0], augment(pixels, rows, epoch=3)[0])
        assert not torch.equal(out[0], out[1])


def test_crops_keep_half_to_all_of_the_area_and_stay_inside() -> None:
    draw = np.random.default_rng(0).random((500, 5))
    affine = crop(draw, (40, 48), flip=True)
    across, down = np.abs(affine[:, 0, 0]), affine[:, 1, 1]
    assert ((across * down) <= 1 + 1e-12).all()
    assert (across * down >= 0.45).all()
    assert (across + np.abs(affine[:, 0, 2]) <= 1 + 1e-12).all()
    assert (down + np.abs(affine[:, 1, 2]) <= 1 + 1e-12).all()
    assert 0.4 < (affine[:, 0, 0] < 0).mean() < 0.6
    assert (crop(draw, (40, 48), flip=False)[:, 0, 0] > 0).all()


def test_a_crop_is_the_cut_and_resized_part() -> None:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8))
    pixels = functional.avg_pool2d(pixels.float(), 5, 1, 2).to(torch.uint8)  # smooth
    augment = Augment("crop", (64, 64), seed=1)
    (theta,) = crop(
        __import__("headstart.train.draws", fromlist=["uniforms"]).uniforms(1, 0, np.array([4]), 5),
        (64, 64),
        flip=False,
    )
    width, height = theta[0, 0] * 64, theta[1, 1] * 64
    left, top = (theta[0, 2] + 1) * 32 - width / 2, (theta[1, 2] + 1) * 32 - height / 2
    out = augment(pixels, np.array([4]), 0)[0].float().numpy()
    source = pixels[0].float().numpy()
    for row, column in ((10, 20), (40, 50), (31, 31)):
        y, x = top + (row + 0.5) * height / 64 - 0.5, left + (column + 0.5) * width / 64 - 0.5
        y0, x0 = int(np.floor(y)), int(np.floor(x))
        fy, fx = y - y0, x - x0
        block = source[:, y0 : y0 + 2, x0 : x0 + 2]
        expected = (
            block[:, 0, 0] * (1 - fy) * (1 - fx) + block[:, 0, 1] * (1 - fy) * fx
            + block[:, 1, 0] * fy * (1 - fx) + block[:, 1, 1] * fy * fx
        )  # fmt: skip
        assert np.abs(out[:, row, column] - expected).max() <= 0.51


def test_only_the_mirroring_kind_mirrors() -> None:
    pixels, rows = ramp(64), np.arange(64)
    for kind, mirrored in (("crop", False), ("glyph", False), ("crop-flip", True)):
        out = Augment(kind, (32, 32))(pixels, rows, 0).float()
        assert bool((out[:, 0, :, -1].mean(1) < out[:, 0, :, 0].mean(1)).any()) == mirrored


def test_centre() -> None:
    pixels = ramp()
    assert torch.equal(centre(pixels, (20, 28)), pixels[:, :, 10:30, 10:38])
    assert torch.equal(centre(pixels, (40, 48)), pixels)
    assert centre(pixels, (50, 50)).shape == (4, 3, 50, 50)


def test_unknown_kind() -> None:
    with pytest.raises(UnknownName, match="crop-flip"):
        Augment("crop-flop", (8, 8))
