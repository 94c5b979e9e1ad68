"""Speech from frozen steps: the loss against every path there is, and what a head makes of tones."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch

from headstart.nets.ctc import SURE, Head, said
from headstart.train.losses.ctc import collapsed, ctc_loss


def test_the_loss_is_the_sum_over_all_paths() -> None:
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(size=(3, 5, 3)).astype(np.float32)).log_softmax(-1)
    targets = torch.tensor([[1, 2, -1], [1, 1, -1], [2, 1, 2]])
    found = ctc_loss(z, targets).numpy() * 7 / 3
    for row, wanted in enumerate([[1, 2], [1, 1], [2, 1, 2]]):
        paths = [path for path in product(range(3), repeat=5) if collapsed(list(path)) == wanted]
        total = sum(
            np.exp(sum(float(z[row, step, sign]) for step, sign in enumerate(path))) for path in paths
        )
        np.testing.assert_allclose(found[row], -np.log(total), rtol=1e-5)


def test_steps_behind_the_end_change_nothing() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head, steps = Head(4, 3), torch.randn(2, 9, 4)
    mask = torch.arange(9) < torch.tensor([[6], [9]])
    z, targets = head(steps, mask), torch.tensor([[1, 2], [2, -1]])
    alone = head(steps[:1, :6], mask[:1, :6])
    torch.testing.assert_close(z[:1, :6], alone)
    assert (z[0, 6:, 0] == 0).all()
    assert (z[0, 6:, 1:] == SURE).all()
    torch.testing.assert_close(ctc_loss(z[:1], targets[:1]), ctc_loss(alone, targets[:1]))


def test_what_is_said() -> None:
    paths = np.eye(4)[[0, 1, 1, 0, 1, 2, 2, 3, 0, 3, 1, 3]]
    assert said(paths, ["a", "b", " "]) == "aab a"
