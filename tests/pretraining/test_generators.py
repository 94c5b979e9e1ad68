from __future__ import annotations

import numpy as np
import pytest
import torch
from pretraining.generators import FAMILIES
from pretraining.generators.base import blur, seeded, splat
from pretraining.generators.ifs import attractor
from pretraining.look import sheet

NAMES = sorted(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
class TestFamily:
    def test_a_seed_decides_everything(self, name: str) -> None:
        codes = torch.arange(12)
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        one = FAMILIES[name](12, 3)(codes, seeded(7))
        two = FAMILIES[name](12, 3)(codes, seeded(7))
        torch.testing.assert_close(one, two, rtol=0, atol=0)
        assert not torch.equal(one, FAMILIES[name](12, 3)(codes, seeded(8)))
        assert not torch.equal(one, FAMILIES[name](12, 4)(codes, seeded(7)))
        assert torch.equal(before, torch.random.get_rng_state())  # nobody else's numbers are used up

    @pytest.mark.parametrize("side", [32, 48])
    def test_shape_and_range(self, name: str, side: int) -> None:
        images = FAMILIES[name](20, 1, side=side)(torch.arange(20), seeded(2))
        assert images.shape in ((20, side, side), (20, 3, side, side))
        assert images.dtype == torch.float32
        assert images.isfinite().all()
        assert images.min() >= 0
        assert images.max() <= 1
        assert (images.flatten(1).std(1) > 0.005).float().mean() > 0.9  # next to no empty pictures

    def test_traits_are_standardised(self, name: str) -> None:
        traits = FAMILIES[name](40, 1).traits
        assert traits.shape[0] == 40
        assert traits.isfinite().all()
        assert traits.mean(0).abs().max() < 1e-4
        spread = traits.var(0, correction=0)
        assert (((spread - 1).abs() < 1e-3) | (spread == 0)).all()

    def test_classes_can_be_told_apart(self, name: str) -> None:
        """The nearest neighbour in raw pixels knows the class far more often than chance."""
        classes, each = 20, 12
        family = FAMILIES[name](classes, 1)
        codes = torch.arange(classes).repeat_interleave(each)
        x = family(codes, seeded(2)).flatten(1)
        if family.turns and name != "ifs":  # places are random: compare spectra, and colours with them
            x = torch.fft.rfft2(x.view(-1, 3, 32, 32)).abs().clamp(min=1e-3).log().flatten(1)
        distance = torch.cdist(x, x).fill_diagonal_(float("inf"))
        right = (codes[distance.argmin(1)] == codes).float().mean()
        assert right > 4 / classes


def test_splat_keeps_the_weight_of_what_is_inside() -> None:
    points = torch.tensor([[[0.0, 0.0], [-0.99, 0.99], [1.5, 0.0]]])
    density = splat(points, torch.tensor([[1.0, 2.0, 4.0]]), 8)
    assert density.sum() == 3
    assert density[0, 7, 0] == 2  # y grows downward


def test_blur_is_a_gaussian() -> None:
    from scipy.ndimage import gaussian_filter

    ink = torch.zeros(1, 33, 33)
    ink[0, 16, 16] = 1
    expected = gaussian_filter(ink[0].numpy(), 2.0, truncate=8)
    np.testing.assert_allclose(blur(ink, torch.tensor([2.0]))[0].numpy(), expected, atol=1e-4)


def test_points_lie_on_the_attractor() -> None:
    """Two maps of the line whose attractor is Cantor's set: no point in the middle third."""
    matrix = torch.eye(2).repeat(1, 2, 1, 1) / 3
    shift = torch.tensor([[[0.0, 0.0], [2 / 3, 0.0]]])
    points, weights = attractor(matrix, shift, 8)
    x = points[0, :, 0]
    assert points.shape == (1, 512, 2)
    torch.testing.assert_close(weights.sum(1), torch.ones(1))
    assert not ((x > 0.35) & (x < 0.65)).any()


def test_contact_sheet() -> None:
    picture = sheet("strokes", rows=3, columns=4)
    assert picture.shape == (96, 128, 3)
    assert picture.dtype == np.uint8
