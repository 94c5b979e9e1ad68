from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from headstart import sources
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.errors import BadOption, SourceError, UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources.cuts.traced import TracedBackbone

from ..conftest import SMALL

X = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)


def wrapped(module: nn.Module, side: int = 32, *, classifier: bool = True) -> TracedBackbone:
    return sources.backbone_from_module(
        module, Source("", "own", input=ImagePreprocessing((side, side))), classifier=classifier
    )


@pytest.fixture
def backbone(small: nn.Module) -> TracedBackbone:
    source = Source("", "small", architecture=SMALL, input=ImagePreprocessing((32, 32)))
    return sources.backbone_from_module(small, source)


def test_cuts_and_stages(backbone: TracedBackbone) -> None:
    assert backbone.cuts[0] == "input"
    assert [s.name for s in backbone.stages] == ["stage1", "stage2", "stage3", "stage4", "embedding"]
    assert [s.channels for s in backbone.stages] == [4, 8, 8, 12, 12]
    assert [s.side for s in backbone.stages] == [16, 8, 4, 2, 1]
    assert backbone.stages[-1].cut == backbone.cuts[-1] == "pool"


def test_taps(backbone: TracedBackbone) -> None:
    found = [str(tap) for tap in backbone.taps()]
    assert found[:3] == ["stage1/g1", "stage1/g2", "stage1/g4"]
    assert "stage4/g1" not in found  # its mean is the embedding
    assert found[-1] == "embedding/g1"
    state = backbone.states(X, ("stage2",))["stage2"]
    assert torch.allclose(backbone.pool(state, Tap("stage2", 1)), state.mean((2, 3)))
    quarter = backbone.pool(state, Tap("stage2", 2)).reshape(2, 8, 2, 2)
    assert torch.allclose(quarter[:, :, 1, 0], state[:, :, 4:, :4].mean((2, 3)), atol=1e-6)


def test_unknown_names(backbone: TracedBackbone) -> None:
    with pytest.raises(UnknownName, match="did you mean 'stage1'"):
        backbone.trunk("stag1")
    with pytest.raises(UnknownName, match="no cut"):
        backbone.states(X, ("stage1", "nothing"))
    with pytest.raises(UnknownName, match="no stage"):
        backbone.pool(X, Tap("nothing", 1))
    with pytest.raises(BadOption, match="embedding/g2"):
        backbone.pool(torch.zeros(1, 12), Tap("embedding", 2))


def test_digest_is_that_of_the_loaded_weights(backbone: TracedBackbone) -> None:
    twin = backbone.copy()
    tail = backbone.tail("stage3")
    with torch.no_grad():
        next(tail.parameters()).add_(1)
    assert backbone.digest == twin.digest  # taken before anything could be trained
    trained, as_loaded = (one.states(X, ("stage3", "pool")) for one in (backbone, twin))
    assert torch.equal(trained["stage3"], as_loaded["stage3"])
    assert not torch.equal(trained["pool"], as_loaded["pool"])


def test_digest_knows_the_architecture(small: nn.Module) -> None:
    other = Source("", "small", architecture={**SMALL, "note": 1}, input=ImagePreprocessing((32, 32)))
    first = Source("", "small", architecture=SMALL, input=ImagePreprocessing((32, 32)))
    digests = {sources.backbone_from_module(small, s).digest for s in (first, other)}
    assert len(digests) == 2


def test_states_evaluate_whatever_the_mode(backbone: TracedBackbone) -> None:
    expected = backbone.states(X, ("stage2", "pool"))
    tail = backbone.tail("stage2").train()
    found = backbone.states(X, ("stage2", "pool"))
    assert torch.equal(found["pool"], expected["pool"])
    assert all(part.training for part in tail.modules())  # and the mode is as it was


def test_states_keep_few_graphs(backbone: TracedBackbone) -> None:
    for cut in backbone.cuts:
        backbone.states(X, (cut,))
    assert len(backbone._graphs) <= 8


class Functional(nn.Module):
    """Dropout as a function, in-place operations, one layer used twice, a shape from an early tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 8, 3, 2, 1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        y = self.act(self.first(x))
        y = F.dropout(y, 0.5, training=self.training)
        z = self.act(self.second(y))
        z += 1
        z = z.mul_(scale).mean((2, 3)).view(x.size(0), -1)
        return self.fc(z)


def test_modules_with_functions_in_them() -> None:
    torch.manual_seed(0)
    network = Functional().eval()
    with torch.no_grad():
        expected = network(X)
        backbone = wrapped(network)
        states = backbone.states(X, backbone.cuts)
        kept = {cut: state.clone() for cut, state in states.items()}
        for cut in backbone.cuts:
            assert torch.allclose(backbone.classifier(backbone.tail(cut)(states[cut])), expected, atol=1e-6)
        assert all(torch.equal(states[cut], kept[cut]) for cut in backbone.cuts)
    assert len({"act", "act_1"} & set(backbone.cuts)) == 2
    tail = backbone.tail("act").train()
    assert not torch.equal(tail(kept["act"]), tail(kept["act"]))  # dropout drops while training
    assert torch.equal(tail.eval()(kept["act"]), tail(kept["act"]))


class Undecided(nn.Module):
    """Cannot be followed by torch.fx: it looks at its data."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_parts_that_cannot_be_followed_stay_whole() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Undecided(), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 900, 2))
    backbone = wrapped(network)
    assert backbone.cuts == ("input", "0", "1", "2", "3")
    with pytest.raises(SourceError, match="cannot be followed"):
        wrapped(Undecided())


def test_without_classifier() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = wrapped(network, classifier=False)
    assert backbone.classifier is None
    assert torch.allclose(backbone.full(X), network(X))


def test_grey_input() -> None:
    contract = ImagePreprocessing((8, 8), (0.5,), (0.25,), channels=1)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    backbone = sources.backbone_from_module(network, Source("", "grey", input=contract))
    pixels = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    pixels[:, 1] = 255
    assert torch.allclose(backbone.normalise(pixels), torch.full((1, 1, 8, 8), (0.587 - 0.5) / 0.25))


def test_another_input_size(backbone: TracedBackbone) -> None:
    x = torch.zeros(1, 3, 48, 40)
    for cut, state in backbone.states(x, backbone.cuts).items():
        assert torch.allclose(backbone.tail(cut)(state), backbone.full(x), atol=1e-6)
