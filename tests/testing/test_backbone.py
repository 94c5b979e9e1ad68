"""The conformance suite notices each way in which a backbone can break its promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from headstart import sources
from headstart.core.backbone import Tap
from headstart.core.source import InputContract, Source
from headstart.testing import backbone as suite

KWARGS = {"widths": [4, 8, 8, 12]}
ARCHITECTURE = {"library": "headstart", "arch": "small-resnet", "kwargs": KWARGS, "num_classes": 5}
X = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)


@pytest.fixture
def backbone() -> Any:
    torch.manual_seed(0)
    source = Source("", "small", architecture=ARCHITECTURE, input=InputContract((32, 32)))
    return sources.backbone_from_module(sources.build(ARCHITECTURE, classifier=True), source)


def test_a_good_one_passes(backbone: Any) -> None:
    suite.check_backbone(backbone, rebuild=True)


class Moving(nn.Module):
    """A trunk that stays in training and changes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def test_a_trunk_that_trains(backbone: Any) -> None:
    backbone.trunk = lambda cut: Moving()
    with pytest.raises(AssertionError, match="into training"):
        suite.check_frozen(backbone, X)


def test_a_wrong_tail(backbone: Any) -> None:
    tail = backbone.tail
    backbone.tail = lambda cut: tail(cut) if cut == "input" else (lambda s: tail(cut)(s) * 2)
    with pytest.raises(AssertionError, match="do not make the whole"):
        suite.check_cuts(backbone, X)


def test_a_tail_that_changes_its_input(backbone: Any) -> None:
    tail = backbone.tail
    backbone.tail = lambda cut: lambda s: (tail(cut)(s), s.add_(1))[0]
    with pytest.raises(AssertionError, match="changes its input"):
        suite.check_cuts(backbone, X.clone())


def test_a_tail_that_is_frozen(backbone: Any) -> None:
    copy = backbone.copy

    def frozen() -> Any:
        twin = copy()
        tail = twin.tail
        twin.tail = lambda cut: _still(tail(cut))
        return twin

    def _still(tail: nn.Module) -> nn.Module:
        tail.train = lambda mode=True: tail  # type: ignore[method-assign,assignment]
        return tail

    backbone.copy = frozen
    with pytest.raises(AssertionError, match="stand still"):
        suite.check_training(backbone, X)


def test_a_copy_that_shares(backbone: Any) -> None:
    backbone.copy = lambda: backbone
    with pytest.raises(AssertionError, match="shares parameters"):
        suite.check_training(backbone, X)
    with pytest.raises(AssertionError, match="changes the original"):
        suite.check_copies(backbone, X)


def test_fresh_that_moves_the_generator(backbone: Any) -> None:
    fresh = backbone.fresh
    backbone.fresh = lambda seed: (fresh(seed), torch.rand(1))[0]
    with pytest.raises(AssertionError, match="global generator"):
        suite.check_fresh(backbone, X)


def test_pooling_of_another_width(backbone: Any) -> None:
    backbone.pool = lambda state, tap: torch.zeros(len(state), 3)
    with pytest.raises(AssertionError, match="wide"):
        suite.check_pooling(backbone, X)


def test_taps_without_the_embedding(backbone: Any) -> None:
    backbone.taps = lambda: (Tap("stage1", 1),)
    with pytest.raises(AssertionError, match="not among the taps"):
        suite.check_pooling(backbone, X)
