"""Arms that write: what is learnt ends by itself, and nothing ships that is worse than the untouched source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import nets, sources, strategies, tasks
from headstart.core.dataset import Dataset, TextItem
from headstart.core.strategy import Request, Settings
from headstart.data.splits import make_split
from headstart.data.texts.targets import Sentences
from headstart.errors import BadOption
from headstart.modalities.text import Text, collate, prepare
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies.sentences import _learning, _writing, generated
from headstart.strategies.sentences._writing import Arm
from headstart.testing.texts import TinyTextBackbone
from headstart.train.loop import Watch
from made.pretrained import PAIRS, SPOKEN, write_taught, write_writer

TASK = tasks.get("translate").make_task(["target"])
SEEN = 24
"""Pairs that the taught source has learnt."""


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    return [PAIRS[at] for at in np.random.default_rng(0).permutation(len(PAIRS))]


@pytest.fixture(scope="module")
def taught(where: Path, rows: list[tuple[str, str]]) -> Any:
    return sources.load(f"hf:{write_taught(where / 'taught', steps=50, pairs=rows[:SEEN])}")


@pytest.fixture(scope="module")
def request_of(where: Path, rows: list[tuple[str, str]]) -> Any:
    items = tuple(TextItem(f"row {number}", text) for number, (text, _) in enumerate(rows))
    data = Dataset("pairs", "text", items, TASK, Sentences([target for _, target in rows]))
    split, features = make_split(data), StoreExtractor(FeatureStore(where / "store"), data)

    def made(backbone: Any, **settings: Any) -> Request:
        return Request(data, TASK, split, features, backbone, settings=Settings(**settings))

    return made


def arm_of(strategy: generated.Trains, asked: Request, epochs: int) -> Arm:
    """The arm on its first fold, for so many epochs."""
    asked, generator = generated.opened(asked)
    fold = asked.split.folds[0].train
    design = generated.make_design(asked, generator, strategy.rate, whole=strategy.whole)
    design = design.lasting(epochs, max(1, round(len(fold) / design.batch_size)))
    return Arm(asked.view(fold), generator, design, strategy.kind, strategy.learns(asked))


def trained(strategy: generated.Trains, asked: Request, epochs: int) -> tuple[float, float, Any]:
    """(chrF on the first fold's test rows, share of ended answers, what was learnt)."""
    arm = arm_of(strategy, asked, epochs)
    fold = asked.split.folds[0]
    _, learnt = _writing.train_on(arm, fold.train, Watch())
    said, ended = _writing.written(learnt.generator, arm.inputs, arm.design.cut, fold.test)
    wanted = asked.dataset.targets[fold.test]
    return tasks.score_of(TASK).value(wanted, np.array(said, object)), ended, learnt


def test_what_is_trained_on_few_pairs_ends_by_itself(where: Path, request_of: Any) -> None:
    backbone = sources.load(f"hf:{write_writer(where / 'new', words=SPOKEN)}")
    score, ended, _ = trained(generated.Scratch(), request_of(backbone, lr=1e-2), 25)
    assert ended >= 0.95
    assert score > 0.4


def test_batches_are_as_long_as_their_longest_answer(taught: Any, request_of: Any) -> None:
    asked = request_of(taught, batch_size=2)
    longer = {
        row: f"{text} {text}" for row, text in enumerate(asked.dataset.targets[:].tolist()) if row % 3 == 0
    }
    targets = [longer.get(row, text) for row, text in enumerate(asked.dataset.targets[:].tolist())]
    asked = replace(asked, dataset=replace(asked.dataset, targets=Sentences(targets)))
    arm = arm_of(generated.Finetune(), asked, 1)
    given: list[int] = []
    logits = type(arm.generator).logits

    def spied(self: Any, states: Any, answers: Any, cut: str) -> Any:
        given.append(answers.shape[1])
        return logits(self, states, answers, cut)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(arm.generator), "logits", spied)
        trained, _ = _writing.train_on(arm, asked.split.folds[0].train, Watch())
    assert len(set(given)) > 1
    assert np.isfinite(trained.outcome.losses).all()


def test_lora_learns_on_stored_states_without_the_encoder(taught: Any, request_of: Any) -> None:
    arm = arm_of(generated.Lora(), request_of(taught, lr=5e-3), 12)
    fold = arm.request.split.folds[0]
    assert arm.inputs.views[0].shape[0] == len(PAIRS)
    assert arm.design.cut == taught.cuts[-1]
    ran: list[Any] = []
    hook = arm.generator.module.get_encoder().register_forward_pre_hook(lambda *_: ran.append(1))
    _, learnt = _writing.train_on(arm, fold.train, Watch())
    hook.remove()
    assert not ran
    assert learnt.better
    assert learnt.scores[-1] > learnt.scores[0]
    own, other = (one.module.state_dict() for one in (learnt.generator, arm.generator))
    assert own.keys() == other.keys()  # plain weights again
    assert all(torch.equal(own[name], other[name]) for name in own if name.startswith("encoder."))


def test_a_rate_a_hundred_times_too_high_is_caught(taught: Any, request_of: Any) -> None:
    asked = request_of(taught, lr=100 * generated.Lora.rate, epochs=3)
    asked = replace(asked, split=replace(asked.split, folds=asked.split.folds[:1]))
    trial = strategies.get("lora", TASK).fit(asked)
    assert "no better than the untouched source after" in trial.reason
    assert not trial.choices["folds"][0]["better"]
    untouched = strategies.get("untouched", TASK).fit(asked)
    test = asked.split.folds[0].test
    assert trial.predictions.take(0, test).tolist() == untouched.predictions.take(0, test).tolist()


def test_an_adapter_that_equals_its_base_is_refused(taught: Any) -> None:
    generator = taught.generator().copy()
    ends = _learning.LowRank()(generator, 0)
    with pytest.raises(FloatingPointError, match="equals its base"):
        ends()
    with pytest.raises(BadOption, match="names of linear layers"):
        _learning.LowRank(("query",)).names(taught.generator())
    names = _learning.LowRank(("v",)).names(taught.generator())
    assert names
    assert all(name.startswith("decoder.") for name in names)


def test_fine_tuning_trains_the_last_layers_alone(taught: Any) -> None:
    generator = taught.generator().copy()
    _learning.later_layers(generator, 0)
    learning = {name for name, p in generator.module.named_parameters() if p.requires_grad}
    assert learning
    assert all(name.startswith(("decoder.block.1.", "decoder.final_layer_norm")) for name in learning)


def test_a_model_that_writes_is_put_together_again(taught: Any, request_of: Any) -> None:
    asked = request_of(taught)
    trial = strategies.get("untouched", TASK).fit(asked)
    model = strategies.get("untouched", TASK).refit(asked, trial)
    net: Any = nets.assemble(model.net, model.tensors, model.input, TASK)
    batch = collate([prepare(Text(text), model.input) for text, _ in PAIRS[:5]])
    said = [net.text(row) for row in net(torch.from_numpy(batch)).numpy()]
    row = {item.text: place for place, item in enumerate(asked.dataset.items)}
    kept = trial.predictions.averaged()
    assert said == [kept[row[text]] for text, _ in PAIRS[:5]]
    assert not any("shared" in name and "embed_tokens" in name for name in model.tensors)
    assert model.task.labels == ("target",)  # nothing of the data


def test_what_cannot_write_is_not_applicable(request_of: Any) -> None:
    for name in ("untouched", "lora", "scratch"):
        trial = strategies.get(name, TASK).fit(request_of(TinyTextBackbone()))
        assert trial.status == "not applicable"
        assert "no network that writes" in trial.reason


def test_a_prompt_that_is_asked_for_is_taken_and_several_are_told(where: Path, request_of: Any) -> None:
    told = {f"translation_en_to_{one}": {"prefix": f"{one} "} for one in ("de", "fr")}
    backbone = sources.load(f"hf:{write_writer(where / 'two', words=SPOKEN, task_specific_params=told)}")
    for prompt, reason in (
        (None, "as it is, behind no prompt: its record has 'de ' or 'fr ', so name one with --prompt"),
        ("fr ", "as it is, behind 'fr'"),
        ("", "as it is"),
    ):
        asked = request_of(backbone, prompt=prompt)
        asked = replace(asked, split=replace(asked.split, folds=asked.split.folds[:1]))
        trial = strategies.get("untouched", TASK).fit(asked)
        assert trial.reason.partition(";")[0] == reason
        model = strategies.get("untouched", TASK).refit(asked, trial)
        assert getattr(model.input, "prefix", None) == (prompt or "")
    assert "prompt" not in Settings().to_json(), "what earlier versions kept is found by it"


def test_a_prompt_that_nothing_reads_is_refused(taught: Any) -> None:
    asked = Settings(prompt="so: ")
    strategies.check(asked, "text", lambda: [taught], form="texts")
    with pytest.raises(BadOption, match="no answer of this task is written"):
        strategies.check(asked, "text", lambda: [taught])
    with pytest.raises(BadOption, match="no source here writes"):
        strategies.check(asked, "text", lambda: [TinyTextBackbone()], form="texts")


def test_the_loss_is_that_of_the_answers_tokens_alone() -> None:
    z = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    answers = torch.tensor([[1, 2, 3], [4, -1, -1]])
    chosen = z.log_softmax(-1)[[0, 0, 0, 1], [0, 1, 2, 0], [1, 2, 3, 4]]
    assert torch.isclose(_writing.token_loss(z, answers).mean(), -chosen.mean())
    filled = torch.cat([answers, torch.full((2, 4), -1)], 1)
    assert torch.equal(_writing.token_loss(z, filled), _writing.token_loss(z, answers))


def test_answers_that_repeat_or_do_not_end_are_told() -> None:
    assert _writing.repeated(["a b c d a b c d a b c d"]) > _writing.REPEATS
    assert _writing.repeated(["a b c d e f"]) == 0
    assert _writing.alarms(1.0, 0.0) == ""
    assert "10% of the answers do not end" in _writing.alarms(0.9, 0.0)
    assert "50% of the runs of four words repeat" in _writing.alarms(1.0, 0.5)
