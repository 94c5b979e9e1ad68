"""Frames: what has a place in an item moves as its pixels do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from headstart import modalities
from headstart.core.frame import Frame
from headstart.core.maps import VOID
from headstart.errors import UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing

IMAGES = modalities.get("image")
WHOLE = ImagePreprocessing(size=(96, 128), interpolation="bilinear", crop_pct=1.0, crop_mode="squash")


def test_masks_and_points_move_as_the_pixels_of_a_view_do() -> None:
    mask = np.zeros((150, 200), np.uint8)
    mask[40:90, 60:140] = 1
    mask[40:60, 60:80] = 2  # one corner is told apart, so that a mirror shows
    picture = Image.fromarray(np.stack([mask * 120] * 3, axis=-1))
    mirrored, beyond = 0, 0
    for view in range(1, 25):
        frame = IMAGES.frame(view, "scene", "a key")
        seen = IMAGES.prepare(picture, WHOLE, view=view, kind="scene", key="a key").mean(axis=0)
        moved = frame.nearest(mask, (96, 128), VOID)
        levels = [np.median(seen[moved == number]) for number in (0, 1, 2) if (moved == number).sum() > 40]
        assert levels == sorted(levels)
        assert levels[-1] > levels[0] + 30
        agree = np.abs(seen[..., None] - np.array(levels)).argmin(axis=-1)[moved != VOID]
        assert (agree == moved[moved != VOID]).mean() > 0.97
        mirrored, beyond = mirrored + frame.mirrored, beyond + (moved == VOID).any()
        corners = frame.moved(np.array([[60 / 200, 40 / 150], [140 / 200, 90 / 150]]))
        where = np.argwhere((moved == 1) | (moved == 2)) / [96, 128]
        low, high = corners.min(axis=0).clip(0, 1), corners.max(axis=0).clip(0, 1)
        np.testing.assert_allclose(where.min(axis=0)[::-1], low, atol=0.02)
        np.testing.assert_allclose(where.max(axis=0)[::-1], high, atol=0.02)
    assert 4 < mirrored < 20
    assert 4 < beyond < 20


def test_the_item_itself_is_all_there_and_recipes_without_a_frame_say_so() -> None:
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert IMAGES.frame(0, "scene", "x") == Frame()
    np.testing.assert_array_equal(Frame().nearest(mask, (3, 4), VOID), mask)
    np.testing.assert_array_equal(Frame(mirrored=True).nearest(mask, (3, 4), VOID), mask[:, ::-1])
    with pytest.raises(UnknownName, match="glyph"):
        IMAGES.frame(1, "glyph", "x")
