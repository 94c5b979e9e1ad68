"""Pretrain: go on training an encoder on texts without labels, and say whether it knows them better."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headstart import modalities, sources
from headstart.core import environment, fingerprint
from headstart.core.budget import Budget, words
from headstart.core.dataset import Dataset
from headstart.core.files import write_json
from headstart.core.untrusted import Damaged, parsing, read_object
from headstart.data.checks import doctor, findings
from headstart.errors import BadOption, DataError, PathError
from headstart.modalities.text.preprocessing import text_input
from headstart.sources.text import saving
from headstart.strategies.gradient._contrast import Tokens
from headstart.strategies.shared._shipping import state
from headstart.train import checkpoint, draws, masked
from headstart.train.device import reproducible
from headstart.train.groups import parameter_groups
from headstart.train.loop import Watch, train
from headstart.train.recipe import Recipe

BATCH, LENGTH = 16, 128
"""Texts of a step, and tokens that are read of each."""
LR, HEAD_LR = 5e-5, 1e-3
LEAST_TEXTS = 10
"""Different ones that can be used."""
HELD_OUT = 0.1
MOST_HELD_OUT = 1_000
HEAD_SHARE = 0.25
"""Share of the steps in which the new head learns alone: its first loss says nothing of the encoder."""
MOST_EPOCHS = 10
LEAST_STEPS = 20
PILOT = 3
MARGIN = 1.25
"""What the training really takes, against its first steps."""
WORK = ".training"
"""Folder of what a stopped run goes on from."""

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What came of it. Losses are those of the words hidden in texts that were kept out, in nats a token."""

    before: float
    after: float
    steps: int
    texts: int
    held_out: int
    asked: int
    """Words of these that had to be guessed."""
    seconds: float
    left_out: int = 0
    """Texts that cannot be used."""
    first_left_out: str = ""
    """Which is the first of them, and why."""

    @property
    def helped(self) -> bool:
        return self.after < self.before

    def sentence(self) -> str:
        losses = (
            f"{self.before:.3f} to {self.after:.3f} nats a hidden word on {self.held_out:,} texts kept out"
        )
        left_out = f" {left_out_words(self.left_out, self.first_left_out)}." if self.left_out else ""
        if not self.asked:
            return (
                "Whether the source now knows these texts better could not be measured: of "
                f"{self.held_out:,} texts kept out none has a word that can be hidden.{left_out}"
            )
        if self.helped:
            return f"The source now knows these texts better: {losses}, after {self.steps:,} steps.{left_out}"
        return (
            f"The source does not know these texts better: {losses}, after {self.steps:,} steps. "
            f"Use it as it was, or give it more texts or more time.{left_out}"
        )


def left_out_words(number: int, first: str) -> str:
    """Left out because they cannot be used: 2, the first row 5: is empty (whitespace only) (HS102)."""
    return f"Left out because they cannot be used: {number:,}, the first {first}"


def pretrain(
    spec: str, dataset: Dataset, out: Path, *, seconds: float, seed: int = 0, download: bool = False,
    tell: Tell = lambda *_: None,
) -> Outcome:  # fmt: skip
    """Train the source on the texts of the data set, for at most so many seconds, and write it to `out`.

    Texts that cannot be used are left out. A tenth of the others is kept out of the training and measured
    before and after. A stopped call is continued by the same call on the same folder. Raises `SourceError`
    for what is no encoder, `DataError` for too few texts, `BadOption` where the time is too short,
    and `PathError` when something else lies at `out`.
    """
    environment.check_alone("pretrain")
    start, budget = time.monotonic(), Budget(seconds)
    check_place(out)
    backbone = saving.encoder_only(sources.load(sources.find(spec), download=download))
    dataset, unreadable = texts_of(dataset)
    job = Job.of(backbone, dataset, seed)
    work = out / WORK
    work.mkdir(parents=True, exist_ok=True)
    net = masked.Guesser(backbone, seed)
    about = fingerprint.of_parts([backbone.digest, dataset.fingerprint, str(seed)])
    steps = settled(work, about, lambda: job.affordable(net, budget))
    head = Phase(work / "head.ckpt", about, round(HEAD_SHARE * steps), HEAD_LR, "the new head")
    whole = Phase(work / "all.ckpt", about, steps - head.steps, LR, "all layers")
    before = trained(net, head, job, work / "head.tensors", budget, tell)
    trained(net, whole, job, work / "all.tensors", budget, tell)
    after = masked.held_out_loss(net, job.held)
    tensors = {name.removeprefix("x."): value for name, value in state(backbone.module, "x").items()}
    saving.save(backbone.source.architecture, tensors, backbone, out)
    saving.prove(tensors, backbone, out)
    outcome = Outcome(
        before, after, steps, len(job.rows), job.kept_out, job.asked, time.monotonic() - start,
        len(unreadable), said(unreadable[0]) if unreadable else "",
    )  # fmt: skip
    write_json(out / "headstart.json", {**asdict(outcome), "source": spec, "sentence": outcome.sentence()})
    shutil.rmtree(work)
    return outcome


def check_place(out: Path) -> None:
    """Raises `PathError` for a file, or a folder with something else in it."""
    if out.is_file():
        raise PathError(out, "is a file", "name a folder")
    if (
        out.is_dir()
        and any(out.iterdir())
        and not ((out / WORK).is_dir() or (out / "headstart.json").is_file())
    ):
        raise PathError(out, "holds something else", "name a new folder")


def texts_of(dataset: Dataset) -> tuple[Dataset, tuple[findings.Finding, ...]]:
    """The texts that can be used, and what is wrong with the others. Raises `DataError` for too few."""
    where, wanted = dataset.origin or dataset.name, f"at least {LEAST_TEXTS} different texts are needed"
    if not modalities.get(dataset.modality).IN_WORDS:
        raise DataError(where, f"{wanted}, but these are {modalities.nouns(dataset.modality)[1]}")
    dataset, errors = doctor.readable(dataset)
    different = len(set(dataset.digests()))
    if different < LEAST_TEXTS:
        details = [left_out_words(len(errors), said(errors[0]))] if errors else []
        raise DataError(where, f"{wanted}, but {different} are here", "give more", details)
    return dataset, errors


def said(finding: findings.Finding) -> str:
    """row 5: is empty (whitespace only) (HS102)."""
    return f"{finding.where}: {finding.message} ({finding.code})"


@dataclass(frozen=True)
class Job:
    """What is read."""

    view: Tokens
    rows: np.ndarray
    held: list[Tensor]
    kept_out: int
    vocabulary: masked.Vocabulary
    seed: int

    @classmethod
    def of(cls, backbone: masked.Reader, dataset: Dataset, seed: int) -> Job:
        mask, special = saving.token_numbers(backbone)
        contract = text_input(sources.joint(backbone.source))
        view = Tokens(dataset.items, replace(contract, max_length=min(LENGTH, contract.max_length)))
        _, first, same = np.unique(list(dataset.digests()), return_index=True, return_inverse=True)
        order = np.argsort(draws.uniforms(seed, 0, np.arange(len(first)), 1, purpose=9)[:, 0])
        count = min(MOST_HELD_OUT, max(1, round(HELD_OUT * len(first))))
        kept = first[order[:count]]
        rows = np.flatnonzero(~np.isin(same, order[:count]))  # no copy of a text that is kept out
        vocabulary = masked.Vocabulary(backbone.words.num_embeddings, mask, special)
        rng = np.random.default_rng(seed)
        held = [
            torch.from_numpy(masked.hide(view[kept[i : i + 32]], vocabulary, rng, every=True))
            for i in range(0, len(kept), 32)
        ]
        return cls(view, rows, held, len(kept), vocabulary, seed)

    @property
    def asked(self) -> int:
        """Words hidden in the texts that are kept out."""
        return sum(int((batch[:, 3] > 0).sum()) for batch in self.held)

    def batches(self) -> masked.MaskedBatches:
        targets = np.zeros(len(self.rows), np.int64)
        return masked.MaskedBatches(
            (self.view,), self.rows, targets, BATCH, self.seed, vocabulary=self.vocabulary
        )

    def affordable(self, net: masked.Guesser, budget: Budget) -> int:
        """Steps that the budget allows, by the pace of a few on a copy. Raises `BadOption` for too few."""
        import copy

        began = time.monotonic()
        masked.held_out_loss(net, self.held)
        evaluation = time.monotonic() - began
        began = time.monotonic()
        run(copy.deepcopy(net), Phase(None, "", PILOT, LR, "pace"), self, Budget(), lambda *_: None)
        pace = (time.monotonic() - began) / PILOT
        most = MOST_EPOCHS * self.batches().per_epoch
        steps = int((budget.left - 2 * MARGIN * evaluation) / (MARGIN * pace))
        if steps < LEAST_STEPS:
            needed = budget.spent + 2 * MARGIN * evaluation + LEAST_STEPS * MARGIN * pace
            raise BadOption(
                "--budget", words(budget.seconds or 0), f"more than {words(needed)}: {LEAST_STEPS} steps"
            )
        return max(LEAST_STEPS, min(steps, most))


@dataclass(frozen=True)
class Phase:
    """One of the two trainings."""

    path: Path | None
    about: str
    steps: int
    lr: float
    name: str

    @property
    def head_alone(self) -> bool:
        return self.lr == HEAD_LR


def settled(work: Path, about: str, decide: Callable[[], int]) -> int:
    """The number of steps: that of the stopped run where there was one."""
    path = work / "plan.json"
    with contextlib.suppress(OSError, Damaged), parsing():  # damaged is as good as absent
        saved = read_object(path)
        if saved["about"] == about:
            return int(saved["steps"])
    steps = decide()
    write_json(path, {"about": about, "steps": steps})
    return steps


def trained(net: masked.Guesser, phase: Phase, job: Job, path: Path, budget: Budget, tell: Tell) -> float:
    """Do one of the trainings, or take what came of it in a run that was stopped later; the loss that the
    encoder has after that of the head alone."""
    kept = checkpoint.load(path, about=phase.about)
    if kept is not None:
        net.load_state_dict(kept["net"], strict=False)
    else:
        run(net, phase, job, budget, tell)
        others = ("body.", "words.") if phase.head_alone else ("words.",)
        kept = {"net": {name: t for name, t in net.state_dict().items() if not name.startswith(others)}}
        if phase.head_alone:
            kept["before"] = masked.held_out_loss(net, job.held)
        checkpoint.save(path, kept, about=phase.about)
    return float(kept.get("before", np.nan))


def run(net: masked.Guesser, phase: Phase, job: Job, budget: Budget, tell: Tell) -> None:
    """One training. Raises `BadOption` when the time ends in the middle of it; the next call goes on."""
    net.requires_grad_(True)
    if phase.head_alone:
        net.body.requires_grad_(False)
        net.words.requires_grad_(False)
    recipe = Recipe(phase.steps, phase.lr, "adamw", weight_decay=0.01, head_boost=1.0, seed=job.seed)
    watch = Watch(budget, phase.path, phase.about, lambda done, total: tell(phase.name, done, total))
    with reproducible(job.seed):
        groups = parameter_groups(net, torch.nn.Module(), recipe)
        outcome = train(  # the network computes its own loss
            net, job.batches(), recipe, param_groups=groups, loss=lambda z, _: z, watch=watch
        )
    if outcome.status == "diverged":
        raise BadOption("the source", phase.name, "one whose loss stays finite")
    if outcome.status == "out of time":
        raise BadOption(
            "--budget", words(budget.seconds or 0),
            f"more: the time ended after {outcome.steps} of {phase.steps} steps of {phase.name}; the same "
            "command with more time goes on from there",
        )  # fmt: skip
