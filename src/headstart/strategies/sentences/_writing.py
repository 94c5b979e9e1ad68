"""One training of a network that writes: on stored states where its decoder alone learns, and its answers.

The loss is that of the answer's tokens alone, each given those before it. Training stops by the task's own
metric over answers that were written for rows held back, and where no epoch wrote better ones than the
untouched source, its weights are put back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from headstart.core.features import Rows
from headstart.core.generator import LONGEST, Generator
from headstart.core.strategy import Request
from headstart.measure.texts import ngrams
from headstart.sources.cuts.segments import evaluating
from headstart.strategies.gradient._design import Design, Inputs, load_inputs
from headstart.strategies.gradient._training import Kind, Trained, attempts, divide
from headstart.strategies.sentences.baselines import signed
from headstart.strategies.shared._folds import OutOfTime
from headstart.train.batches import Batches
from headstart.train.freeze import FrozenPart
from headstart.train.loop import Watch, train
from headstart.train.recipe import Recipe

AT_ONCE = 64
"""Items whose answers are written between two looks at the clock."""
HELD_BACK, MOST_HELD = 0.15, 96
"""Share of the training rows by which training stops, and the most of them: each epoch writes all their
answers."""
ROOM = 1.25
"""An answer may be so many times as long as the longest one learnt from, and `MORE` tokens."""
MORE = 4
NO_END, REPEATS = 0.05, 0.2
"""Shares of answers without an end, and of runs of four words that were there before, from which on it is
said."""

Learns = Callable[[Generator, int], Callable[[], None]]
"""Decides which parameters of a generator are trained (they need a gradient, no others do), perhaps adding
some by a seed; gives what makes plain weights of it again, and raises `FloatingPointError` where nothing was
learnt."""


@dataclass(frozen=True)
class Arm:
    """What the trainings of an arm share."""

    request: Request
    generator: Generator
    design: Design
    kind: Kind
    learns: Learns = field(repr=False)

    @cached_property
    def inputs(self) -> Inputs:
        """What the pass has stored."""
        return load_inputs(self.request, self.design, probe=False)

    def of(self, request: Request) -> Arm:
        """The same for another view of the data; what was read stays read."""
        other = replace(self, request=request)
        other.__dict__["inputs"] = self.inputs
        return other


@dataclass(frozen=True)
class Learnt:
    """A generator after its training."""

    generator: Generator
    better: bool
    """Whether it wrote better answers than the untouched source on rows held back; where not, it is that."""
    scores: tuple[float, ...]
    """Of the untouched source, of each epoch, and of the best of these: the headline metric on rows held
    back, higher is better."""


class Taught(nn.Module):
    """(stored inputs `[B, ...]`, answers int64 `[B, L]`) -> logits `[B, L, V]`."""

    def __init__(self, generator: Generator, cut: str) -> None:
        super().__init__()
        self.network, self._generator, self._cut = generator.module, generator, cut

    def forward(self, given: tuple[Tensor, Tensor]) -> Tensor:
        states, answers = given
        found: Tensor = self._generator.logits(states, answers, self._cut)
        return found


def token_loss(z: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy of each item `[B]`, whose mean is that over all tokens of the batch. Answers may be
    filled up further than the logits reach."""
    answers = answers[:, : z.shape[1]]
    each = cross_entropy(z.transpose(1, 2), answers, ignore_index=-1, reduction="none")  # [B, L]
    return each.sum(1) * len(answers) / (answers >= 0).sum().clamp(min=1)


def table(generator: Generator, texts: Sequence[str]) -> np.ndarray:
    """int64 `[n, L]`: tokens of answers, filled up with -1. One that is longer than may be has no end."""
    rows = [generator.tokens(text, min(LONGEST, generator.writing.longest)) for text in texts]
    found = np.full((len(rows), max(map(len, rows), default=1)), -1, np.int64)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found


def shortest(answers: np.ndarray) -> np.ndarray:
    """Of answers `[n, L]` those columns that any of them has: a few long ones among many are no burden."""
    return answers[:, : max(1, int((answers >= 0).sum(axis=1).max(initial=1)))]


def fitted(generator: Generator, texts: Sequence[str]) -> Generator:
    """With room for answers like these, no more than the source allows; their tokens may be written."""
    tokens = [generator.tokens(text, LONGEST) for text in texts]
    longest = max(map(len, tokens), default=1)
    known = {token for row in tokens for token in row}
    return generator.writes(min(generator.writing.longest, round(ROOM * longest) + MORE), known)


def train_on(arm: Arm, rows: np.ndarray, watch: Watch) -> tuple[Trained, Learnt]:
    """Train on the given rows; raises as `gradient._training.train_on` does."""
    found: list[Learnt] = []

    def attempt(recipe: Recipe) -> Trained:
        trained, learnt = _attempt(arm, rows, recipe, watch)
        found.append(learnt)
        return trained

    trained = attempts(arm.design.recipe, attempt)
    return trained, found[-1]


def _attempt(arm: Arm, rows: np.ndarray, recipe: Recipe, watch: Watch) -> tuple[Trained, Learnt]:
    request, cut = arm.request, arm.design.cut
    texts = request.dataset.targets
    untouched = fitted(arm.generator, texts[rows].tolist())
    generator = untouched.fresh(request.seed) if arm.kind.fresh else untouched.copy()
    ends = arm.learns(generator, request.seed)
    net = Taught(generator, cut)
    learning = [p for p in net.parameters() if p.requires_grad]
    frozen = FrozenPart.of(net, nn.ParameterList(learning))
    part, held = hold_back(request, rows)
    answers, at = table(generator, texts[part].tolist()), np.zeros(len(request.dataset), np.int64)
    at[part] = np.arange(len(part))

    def taught(inputs: Tensor, batch: np.ndarray, _: int) -> Any:
        tokens = torch.from_numpy(shortest(answers[at[batch]]))
        return arm.inputs.unvaried(inputs), tokens.to(inputs.device)

    batches = Batches(
        arm.inputs.views, part, answers, min(arm.design.batch_size, len(part)), request.seed, taught
    )
    scores: list[float] = []

    def score(generator: Generator) -> float:
        said, _ = written(generator, arm.inputs, cut, held, request)
        scores.append(signed(request, texts[held], said))
        return scores[-1]

    def validation(model: nn.Module) -> float:
        # of equal scores the smaller loss is better: what writes nothing right yet may be on its way
        return -round(score(generator), 3) + 1e-4 * min(9.0, held_loss(model, arm, held))

    if len(held) and not arm.kind.fresh:
        score(untouched)
    outcome = train(
        net,
        batches,
        recipe,
        param_groups=_groups(learning, recipe),
        loss=token_loss,
        validation=validation if len(held) else None,
        watch=watch,
    )
    frozen.verify()
    better = True
    if outcome.status in ("done", "paused"):
        ends()
        # once more at its best: a training that was continued has not seen all of its epochs
        better = arm.kind.fresh or not len(held) or score(generator) > scores[0]
    learnt = Learnt(generator if better else untouched, better, tuple(scores))
    return Trained(net, request.network, outcome, recipe.lr), learnt


def _groups(learning: Sequence[nn.Parameter], recipe: Recipe) -> list[dict[str, Any]]:
    """Vectors get no weight decay."""
    parts = [[p for p in learning if (p.ndim > 1) == matrices] for matrices in (True, False)]
    decay = (recipe.weight_decay, 0.0)
    return [
        {"params": part, "scale": 1.0, "head": False, "weight_decay": weight}
        for part, weight in zip(parts, decay, strict=True)
        if part
    ]


def hold_back(request: Request, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows to train on, rows to stop by): whole groups; none where a part would be empty."""
    share = min(HELD_BACK, MOST_HELD / max(1, len(rows)))
    part, held = divide(request, rows, share)
    return (part, held) if len(part) and len(held) else (rows, rows[:0])


def held_loss(net: nn.Module, arm: Arm, rows: np.ndarray) -> float:
    """Nats a token of these rows' answers."""
    taught: Any = getattr(net, "module", net)
    answers = table(taught._generator, arm.request.dataset.targets[rows].tolist())
    return _nats(net, arm, rows, answers) / max(1, int((answers >= 0).sum()))


def cost_of(generator: Generator, arm: Arm, rows: np.ndarray) -> tuple[float, int]:
    """(nats of these rows' true answers, however long, their ends included; the characters of both): sums, so
    that networks with other tokens compare, and a ratio of sums over texts is a mean a character."""
    texts = arm.request.dataset.targets[rows].tolist()
    long = generator.writes(LONGEST)
    with evaluating(generator.module):
        nats = _nats(Taught(long, arm.design.cut), arm, rows, table(long, texts))
    return nats, sum(len(text) + 1 for text in texts)


@torch.no_grad()
def _nats(net: nn.Module, arm: Arm, rows: np.ndarray, answers: np.ndarray) -> float:
    device, total = next(net.parameters()).device, 0.0
    for start in range(0, len(rows), 16):
        part = slice(start, start + 16)
        states = _read(arm.inputs, rows[part]).to(device)
        tokens = torch.from_numpy(answers[part]).to(device)
        some = token_loss(net((states, tokens)).float(), tokens).mean()
        total += float(some) * int((tokens >= 0).sum())
    return total


def written(
    generator: Generator, inputs: Inputs, cut: str, rows: np.ndarray, request: Request | None = None
) -> tuple[list[str], float]:
    """(the answers for these rows, share of them that have come to their end). Raises `OutOfTime`."""
    device = next(generator.module.parameters()).device
    end, said, ended = torch.tensor(generator.writing.end), [], 0
    for start in range(0, len(rows), AT_ONCE):
        if request is not None and request.budget.over:
            raise OutOfTime
        tokens = generator.write(_read(inputs, rows[start : start + AT_ONCE]).to(device), cut)
        ended += int(torch.isin(tokens, end).any(1).sum())
        said += [generator.text(row) for row in tokens.tolist()]
    return said, ended / max(1, len(rows))


def _read(inputs: Inputs, rows: np.ndarray) -> Tensor:
    view: Rows = inputs.views[0]
    return inputs.unvaried(torch.from_numpy(np.ascontiguousarray(view[rows])))


def repeated(said: Sequence[str]) -> float:
    """Share of runs of four words that their answer has had before."""
    counts = np.array([ngrams.repeated(text) for text in said], np.float64).reshape(len(said), -1).sum(axis=0)
    return float(counts[0] / counts[1]) if len(counts) > 1 and counts[1] else 0.0


def alarms(ended: float, repeats: float) -> str:
    """What is wrong with how answers are written, in words; empty for nothing."""
    found = [f"{1 - ended:.0%} of the answers do not end by themselves"] if 1 - ended > NO_END else []
    found += [f"{repeats:.0%} of the runs of four words repeat"] if repeats > REPEATS else []
    return " and ".join(found)
