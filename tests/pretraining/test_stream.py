from __future__ import annotations

import pytest
import torch
from pretraining.generators.base import seeded
from pretraining.paint import Look, Paint
from pretraining.stream import Stream

SHARES = {"strokes": 0.5, "spectrum": 0.25, "contours": 0.25}


def test_the_same_seed_gives_the_same_stream() -> None:
    one, two = Stream(SHARES, 10, 1), Stream(SHARES, 10, 1)
    for _ in range(2):
        a, b = one.batch(16), two.batch(16)
        assert torch.equal(a.pictures, b.pictures)
        assert torch.equal(a.classes, b.classes)
    assert not torch.equal(one.batch(16).pictures, b.pictures)


def test_a_stream_goes_on_from_its_state() -> None:
    stream = Stream(SHARES, 10, 1)
    stream.batch(16)
    state = stream.state()
    expected = stream.batch(16)
    other = Stream(SHARES, 10, 1)
    other.restore(state)
    assert torch.equal(other.batch(16).pictures, expected.pictures)


def test_families_have_their_shares_and_their_own_classes() -> None:
    stream = Stream(SHARES, 10, 1, cutmix=0.0)
    assert stream.classes == 30
    batch = stream.batch(64)
    assert torch.bincount(batch.classes // 10).tolist() == [32, 16, 16]
    assert (batch.share == 1).all()
    sizes = [len(stream.batch(7).classes) for _ in range(5)]  # shares that do not come out even
    assert sizes == [7] * 5


def test_pictures_are_pictures() -> None:
    pictures = Stream(SHARES, 10, 1, look=Look(backdrop=1.0, skin=1.0)).batch(32).pictures
    assert pictures.shape == (32, 3, 32, 32)
    assert pictures.isfinite().all()
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_cut_mixed_pictures_say_how_much_they_show() -> None:
    """Black and white pictures: what is white is what the other picture gave."""
    stream = Stream(SHARES, 10, 1, cutmix=1.0)
    pictures = torch.zeros(64, 3, 32, 32)
    pictures[32:] = 1
    classes = (torch.arange(64) >= 32).long()
    from pretraining.generators.base import Draw

    batch = stream._mixed(pictures, classes, Draw(seeded(0)))
    white = batch.pictures.mean((1, 2, 3))
    told = batch.share * batch.classes + (1 - batch.share) * batch.others
    torch.testing.assert_close(white, told)
    assert (batch.share > 0.2).all()
    assert (batch.share < 0.9).all()


def test_figure_and_ground_differ() -> None:
    look = Look(grey=0.0, invert=0.0, noise=0.0)
    ink = torch.zeros(64, 32, 32)
    ink[:, 8:24, 8:24] = 1
    picture = Paint(look, 1).ink(ink, seeded(3))
    gap = picture[:, :, 8:24, 8:24].mean((1, 2, 3)) - picture[:, :, :4, :].mean((1, 2, 3))
    assert (gap.abs() > 0.1).float().mean() > 0.7


def test_unknown_family() -> None:
    with pytest.raises(KeyError):
        Stream({"fonts": 1.0}, 10, 1)
