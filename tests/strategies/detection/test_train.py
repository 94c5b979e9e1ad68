"""What a head is trained to say, and by which loss, against the papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headstart.nets.boxes import Head, corners, decoded  # noqa: E402
from headstart.strategies.detection import _train  # noqa: E402

BOXES = np.array([[0.1, 0.1, 0.5, 0.4], [0.6, 0.5, 0.9, 0.95], [0.62, 0.55, 0.7, 0.65]])


def test_the_middles_are_where_the_objects_are() -> None:
    found = _train.aim(BOXES, np.array([0, 1, 0]), 2, (20, 40))
    assert found.middles.shape == (2, 20, 40)
    assert [tuple(at) for at in (found.middles == 1).nonzero().tolist()] == [
        (0, 5, 12),
        (0, 12, 26),
        (1, 14, 30),
    ]
    scaled = BOXES * [40, 20, 40, 20]
    own = [np.abs(scaled - box).max(axis=1).argmin() for box in found.box.numpy()]
    np.testing.assert_allclose(np.bincount(own, found.weight.numpy()), 1, rtol=1e-5)
    x, y = found.at.numpy() % 40 + 0.5, found.at.numpy() // 40 + 0.5
    inside = (x > scaled[own, 0]) & (x < scaled[own, 2]) & (y > scaled[own, 1]) & (y < scaled[own, 3])
    assert inside.all()
    empty = _train.aim(np.zeros((0, 4)), np.zeros(0, np.int64), 2, (4, 4))
    assert not empty.middles.any()
    assert len(empty.at) == 0


def test_focal_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    z, wanted = rng.normal(size=(2, 3, 5, 4)), rng.random((2, 3, 5, 4))
    wanted[0, 1, 2, 3] = wanted[1, 0, 0, 0] = 1
    p = 1 / (1 + np.exp(-z))
    terms = np.where(wanted == 1, (1 - p) ** 2 * np.log(p), (1 - wanted) ** 4 * p**2 * np.log(1 - p))
    got = _train.focal(torch.from_numpy(z), torch.from_numpy(wanted))
    assert float(got) == pytest.approx(-terms.sum() / 2)


def test_boxes_apart_are_told_from_boxes_far_apart() -> None:
    torchvision = pytest.importorskip("torchvision")
    rng = np.random.default_rng(1)
    low = rng.random((30, 2, 2))
    boxes = torch.from_numpy(np.concatenate([low, low + rng.random((30, 2, 2)) + 0.01], axis=2))
    theirs = torchvision.ops.generalized_box_iou_loss(boxes[:, 0], boxes[:, 1])
    np.testing.assert_allclose(_train.apart(boxes[:, 0], boxes[:, 1]), theirs, atol=1e-6)


def test_the_loss_of_an_image_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(3)
    aims = [_train.aim(BOXES[:n], np.array([0, 1, 0])[:n], 2, (8, 10)) for n in (3, 1, 0)]
    z = torch.from_numpy(rng.normal(size=(3, 6, 8, 10)).astype(np.float32))
    both = _train.each(z[:, :2], z[:, 2:], aims)
    alone = [_train.each(z[i : i + 1, :2], z[i : i + 1, 2:], aims[i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(both, torch.cat(alone), rtol=1e-6)
    # all of them by the number of objects is the loss of the batch
    batch = _train.loss(lambda _: (z[:, :2], z[:, 2:]), [], aims)  # type: ignore[arg-type]
    np.testing.assert_allclose(both.sum() / 4, batch, rtol=1e-5)


def test_what_was_aimed_at_is_what_is_decoded() -> None:
    aimed = _train.aim(BOXES, np.array([0, 1, 0]), 2, (20, 40))
    middles = torch.where(aimed.middles == 1, 4.0, -9.0)[None]
    sides = torch.zeros(1, 4, 20 * 40)
    x, y = aimed.at % 40 + 0.5, aimed.at // 40 + 0.5
    far = torch.stack([x - aimed.box[:, 0], y - aimed.box[:, 1], aimed.box[:, 2] - x, aimed.box[:, 3] - y])
    sides[0, :, aimed.at] = far.log()
    rows = decoded(middles, sides.reshape(1, 4, 20, 40))[0].numpy()
    best = rows[rows[:, 5] > 0.5]
    order = np.lexsort((best[:, 0], best[:, 4]))
    np.testing.assert_allclose(best[order][:, :4], BOXES[[0, 2, 1]], atol=1e-5)
    assert best[order][:, 4].tolist() == [0, 0, 1]
    assert corners(torch.zeros(1, 4, 2, 3))[0, :, 1, 2].tolist() == [1.5, 0.5, 3.5, 2.5]


def test_a_head_learns_where_bright_places_are() -> None:
    rng = np.random.default_rng(2)
    at = rng.integers(2, 10, (12, 2))
    maps = np.zeros((12, 3, 12, 12), np.float16)
    for row, (x, y) in enumerate(at.tolist()):
        maps[row, row % 2, y - 1 : y + 2, x - 1 : x + 2] = 1
    aims = [
        _train.aim(np.array([[x - 1, y - 1, x + 2, y + 2]]) / 12, np.array([row % 2]), 2, (12, 12))
        for row, (x, y) in enumerate(at.tolist())
    ]

    def made() -> Head:
        return _train.train(
            lambda row, _: [maps[row], maps[row, :, ::2, ::2]], lambda row, _: aims[row], np.arange(12),
            channels=[3, 3], outputs=2, views=0, steps=60, seed=0,
        )  # fmt: skip

    head, again = made(), made()
    ours, theirs = head.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    both = [torch.from_numpy(one).float() for one in (maps, maps[:, :, ::2, ::2])]
    with torch.inference_mode():
        rows = decoded(*head(both)).numpy()
    best = rows[:, 0]
    assert (best[:, 4] == np.arange(12) % 2).mean() > 0.8
    middle = (best[:, :2] + best[:, 2:4]) / 2 * 12 - 0.5
    assert (np.abs(middle - at).max(axis=1) < 1.5).mean() > 0.8
