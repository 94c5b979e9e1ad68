"""Training arms on texts: from stored states, from tokens, from scratch; the shipped net is the trained one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart import modalities, nets, strategies
from headstart.core.dataset import Dataset
from headstart.core.masked import STATES, Layout
from headstart.core.strategy import Request, Settings
from headstart.modalities import text
from headstart.modalities.text.preprocessing import BI_ENCODER, CROSS_ENCODER
from headstart.strategies.gradient._design import length_of
from headstart.testing.fakes import MemoryExtractor, folds
from headstart.testing.texts import TinyTextBackbone, sentences
from headstart.train.trim import by_length, trimmed

QUICK = Settings(epochs=2, batch_size=8)


def request(dataset: Dataset, pairs: str = CROSS_ENCODER, settings: Settings = QUICK) -> Request:
    assert dataset.task is not None
    return Request(
        dataset=dataset,
        task=dataset.task,
        split=folds(dataset),
        features=MemoryExtractor(dataset),
        backbone=TinyTextBackbone(pairs=pairs),
        settings=settings,
    )


TOKENS = Layout(slice(1, None, 3))


def test_trimmed_takes_away_what_all_masks_hide() -> None:
    tokens = torch.zeros((2, 6, 5), dtype=torch.int32)
    tokens[0, :2, :2] = 1
    tokens[1, 3:5, :3] = 1  # the second text of a pair
    assert trimmed(tokens, TOKENS).shape == (2, 6, 3)
    states = torch.zeros((2, 2, 5, 4), dtype=torch.float16)
    frames = torch.zeros((2, 3, 5))  # two bands of a recording and their mask
    frames[1, :, :2] = 1
    assert trimmed(frames, Layout(slice(-1, None))).shape == (2, 3, 2)
    states[0, 1, :4, -1] = 1
    assert trimmed(states, STATES).shape == (2, 2, 4, 4)
    assert trimmed(torch.zeros((2, 3, 5), dtype=torch.int32), TOKENS).shape == (2, 3, 1)


@pytest.mark.parametrize("kind", ["tokens", "states", "apart"])
def test_texts_of_like_length_go_together(kind: str) -> None:
    lengths = torch.tensor(np.random.default_rng(0).integers(1, 90, 60))
    shown = (torch.arange(96) < lengths[:, None]).int()  # [60, 96]
    if kind == "tokens":
        inputs = torch.stack([torch.arange(60)[:, None] * shown, shown, 0 * shown], 1).int()
    else:
        inputs = torch.stack([torch.arange(60)[:, None] * shown, shown], -1).half()
        inputs = torch.stack([inputs, inputs.flip(0)], 1) if kind == "apart" else inputs
    seen: list[tuple[int, ...]] = []

    def act(some: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(some.shape))
        return (some.double().flatten(1) ** 2).sum(1, keepdim=True)

    rows = by_length(inputs, TOKENS if kind == "tokens" else STATES, act)
    assert torch.equal(rows, act(inputs))
    sizes, seen[:] = seen[:-1], []
    assert len(sizes) == 8
    if kind != "apart":  # the shortest come first, cut to the longest of them
        widths = [shape[2] if kind == "tokens" else shape[1] for shape in sizes]
        assert widths == sorted(widths)
        assert widths[0] < 20


@pytest.mark.parametrize("name", ["probe", "finetune", "full", "scratch", "random-frozen"])
@pytest.mark.parametrize("pairs", [CROSS_ENCODER, BI_ENCODER])
def test_an_arm_on_texts_ships_what_it_trained(name: str, pairs: str) -> None:
    dataset = sentences(per_class=8, pairs=pairs == BI_ENCODER)
    asked = request(dataset, pairs)
    strategy = strategies.get(name)
    trial = strategy.fit(asked)
    assert trial.status == "done", trial.reason
    held = trial.predictions.array[0]
    assert np.isfinite(held).all()
    assert np.allclose(held.sum(axis=1), 1, atol=1e-5)
    model = strategy.refit(asked, trial)
    tiny = nets_of(model, asked)
    batch = text.collate([text.prepare(item.read(), model.input) for item in dataset.items])
    with torch.inference_mode():
        answers = tiny(torch.from_numpy(batch)).numpy()
        alone = np.concatenate([tiny(torch.from_numpy(row[None])).numpy() for row in batch[:3]])
    assert answers.shape == held.shape
    assert np.allclose(answers[:3], alone, atol=1e-5)


def nets_of(model: object, asked: Request) -> nets.Net:  # type: ignore[name-defined]
    """The model's network, its trunk being a tiny one that no provider knows."""
    from headstart.core.features import Tap
    from headstart.nets.base import Parts
    from headstart.nets.taps import Taps

    parts = Parts("taps", model.tensors)  # type: ignore[attr-defined]
    assert asked.backbone is not None
    backbone = asked.backbone.copy()
    state = {name: torch.from_numpy(value) for name, value in parts.under("trunk").items()}
    backbone.module.load_state_dict(state)
    taps = [Tap.parse(tap) for tap in model.net["taps"]]  # type: ignore[attr-defined]
    module = Taps(model.task, parts, backbone, taps)
    parts.finish()
    return module.eval()


def test_the_probe_learns_topics() -> None:
    dataset = sentences(per_class=40, telling=3)
    trial = strategies.get("probe").fit(request(dataset))
    assert dataset.y is not None
    assert (trial.predictions.array[0].argmax(axis=1) == dataset.y).mean() > 0.5


def test_length_is_that_of_the_longest_text_rounded_up() -> None:
    dataset = sentences()
    longest = max(len(item.read().split()) for item in dataset.items)
    assert length_of(request(dataset)) == -(-longest // 8) * 8


def test_equal_texts_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever object they are in: jobs that were sent elsewhere come back as copies."""
    dataset, counted = sentences(per_class=7), []
    longest = modalities.longest
    monkeypatch.setattr(modalities, "longest", lambda *given: counted.append(given) or longest(*given))
    every = dataset.subset(range(len(dataset)))
    assert length_of(request(dataset)) == length_of(request(every))
    assert len(counted) == 1


def test_full_training_from_tokens_equals_training_from_stored_states() -> None:
    """All layers behind the embeddings see the same numbers, whichever is stored."""
    dataset = sentences(per_class=6)
    asked = request(dataset)
    backbone = asked.backbone
    assert backbone is not None
    features = MemoryExtractor(dataset)
    from headstart.core.features import FeatureSpec

    stored = features(backbone, FeatureSpec(cut="embeddings", length=16)).state()
    tokens = features(backbone, FeatureSpec(inputs=16)).inputs()
    with torch.inference_mode():
        one = backbone.tail("embeddings")(trimmed(torch.from_numpy(stored.copy()), STATES).float())
        two = backbone.full(backbone.normalise(trimmed(torch.from_numpy(tokens.copy()), TOKENS)))
    assert torch.allclose(one, two, atol=2e-3)
