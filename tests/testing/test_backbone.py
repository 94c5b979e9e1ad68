"""The conformance suite notices each way in which a backbone can break its promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headstart import sources
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.modalities.text.encoding.words import WHOLE, WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.sources.text.networks.bag import Vectors, WordBackbone
from headstart.testing import backbone as suite

KWARGS = {"widths": [4, 8, 8, 12]}
ARCHITECTURE = {"library": "headstart", "arch": "small-resnet", "kwargs": KWARGS, "num_classes": 5}
X = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)


@pytest.fixture
def backbone() -> Any:
    torch.manual_seed(0)
    source = Source("", "small", architecture=ARCHITECTURE, input=ImagePreprocessing((32, 32)))
    return sources.backbone_from_module(sources.build(ARCHITECTURE, classifier=True), source)


def test_a_good_one_passes(backbone: Any) -> None:
    suite.check_backbone(backbone, rebuild=True)


@pytest.mark.parametrize("pairs", ["joint", "apart"])
def test_a_good_one_of_texts_passes(pairs: str) -> None:
    backbone = texts(pairs)
    suite.check_backbone(backbone, 3, least_cuts=2)


def texts(pairs: str = "joint") -> Any:
    words = WordEncoder(("a", "few", "words", "that", "are", "known", "here"), pattern=WHOLE)
    architecture = {"library": "headstart", "arch": "word-vectors", "kwargs": {"words": 7, "width": 4}}
    source = Source("", "words", "text", architecture, input=TextPreprocessing(words.to_json(), pairs=pairs))
    module = Vectors(7, 4)
    module.fill(np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32))
    return WordBackbone(module, source)


def test_padding_that_counts() -> None:
    backbone = texts()
    backbone.pool = lambda state, tap: state[..., :-1].sum(1)
    tokens = suite.random_tokens(backbone, 3)
    with pytest.raises(AssertionError, match="filling up a sequence changes vectors/mean"):
        suite.check_padding(backbone, tokens)


def test_texts_that_meet_in_a_batch() -> None:
    backbone = texts()
    pool = backbone.pool
    backbone.pool = lambda state, tap: pool(state, tap) - pool(state, tap).mean(0)
    with pytest.raises(AssertionError, match="depends on the others of its batch"):
        suite.check_padding(backbone, suite.random_tokens(backbone, 3))


def test_an_embedding_of_another_length() -> None:
    backbone = texts()
    backbone.source = replace(backbone.source, input=replace(backbone.source.input, normalize=True))
    with pytest.raises(AssertionError, match="not scaled to length 1"):
        suite.check_pooling(backbone, backbone.normalise(suite.random_tokens(backbone, 3)))


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
