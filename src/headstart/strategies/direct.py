"""Direct use: the source's own classifier, where it knows the target's labels by name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.core.words import few
from headstart.errors import near
from headstart.strategies.shared._folds import empty_trial, run_folds
from headstart.strategies.shared._shipping import origin, state
from headstart.tasks.base import Labels, TaskMethods

EDGE = 1e-7
"""Probabilities of a multi-label prediction are kept this far from 0 and 1."""
BATCH = 512


class Direct:
    """No training at all: source classes that a target label names are summed."""

    name = "direct"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        return Cost(1.0, seconds_per_pass)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`; "not applicable", with the labels that are missing, when names do not match."""
        backbone = request.network
        arm = request.arm(self.name)
        found = columns_for(request, backbone)
        if isinstance(found, str):
            return empty_trial(request, arm, "not applicable", found)
        features = request.features(backbone, FeatureSpec(cut=backbone.cuts[-1]))
        logits = source_logits(backbone, features.state(), request.split.development)
        names = backbone.source.labels or ()
        before = Cost(features.forward_passes, features.seconds)
        if logits.shape[1] != len(names):
            reason = f"its classifier has {logits.shape[1]} classes, but {len(names)} names are known"
            return empty_trial(request, arm, "not applicable", reason, cost=before)
        everything = np.zeros((len(request.dataset), request.task.outputs), np.float32)
        everything[request.split.development] = combine(logits, found, tasks.for_task(request.task))

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            return everything[fold.test], {}

        trial = run_folds(request, arm, fit_fold, before=before)
        choices = {
            "columns": [list(c) for c in found],
            "labels": {
                label: [names[i] for i in c] for label, c in zip(request.task.labels, found, strict=True)
            },
        }
        reason = trial.reason or f"{sum(map(len, found))} of its {len(names)} classes name the labels"
        return Trial(**{**vars(trial), "choices": choices, "reason": reason})

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "classifier"."""
        backbone = request.network
        net = {
            "kind": "classifier",
            "architecture": dict(backbone.source.architecture),
            "columns": [list(c) for c in trial.choices["columns"]],
        }
        tensors = {**state(backbone.module, "trunk"), **state(backbone.classifier, "classifier")}
        return Model(request.task, backbone.source.input, net, tensors, source=origin(backbone))


def columns_for(request: Request, backbone: Backbone) -> list[list[int]] | str:
    """Source classes of each target label; or, in words, why that cannot be."""
    if not isinstance(tasks.for_task(request.task), Labels):
        return f"a classifier cannot answer a {request.task.kind} task"
    if backbone.classifier is None:
        return "the source comes without a classifier"
    if not backbone.source.labels:
        return "the source has no classifier with named classes"
    return named(request, backbone.source.labels)


def named(request: Request, labels: Sequence[str]) -> list[list[int]] | str:
    """Which of a source's classes each target label names; or, in words, why that cannot be."""
    chosen = request.settings.label_map or {}
    problem = _misnamed(chosen, labels, request.task.labels)
    if problem:
        return problem
    found = match(request.task.labels, labels, chosen)
    missing = [label for label, columns in zip(request.task.labels, found, strict=True) if not columns]
    if missing:
        are = f"{few(missing, each=repr)} {'is' if len(missing) == 1 else 'are'}"
        return f"{are} not among the source's {len(labels)} classes"
    return found


def _misnamed(chosen: Mapping[str, str], source: Sequence[str], target: Sequence[str]) -> str:
    known = {normalised(name) for label in source for name in (label, *label.split(","))}
    for name, label in chosen.items():
        if normalised(name) not in known:
            return f"the label map names {name!r}, which is no class of the source{near(name, source)}"
        if label not in target:
            return f"the label map names {label!r}, which is no label of the data{near(label, target)}"
    return ""


def source_logits(backbone: Backbone, states: Any, rows: np.ndarray) -> np.ndarray:
    """float64 `[len(rows), source classes]` from stored embedding states; the trunk is not run."""
    import torch

    assert backbone.classifier is not None
    classifier = backbone.classifier.eval()
    device = next((p.device for p in classifier.parameters()), torch.device("cpu"))
    out = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            part = np.ascontiguousarray(states[rows[start : start + BATCH]])
            out.append(classifier(torch.from_numpy(part).float().to(device)).float().cpu().numpy())
    return np.concatenate(out).astype(np.float64)


def combine(logits: np.ndarray, columns: Sequence[Sequence[int]], methods: TaskMethods) -> np.ndarray:
    """Source logits `[N, S]` -> predictions `[N, K]`: probabilities of the listed classes, summed.

    For one label per item they are renormalised over the labels; otherwise each stands by itself.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    summed = np.stack([np.logaddexp.reduce(log_p[:, list(c)], axis=1) for c in columns], axis=1)
    if methods.exclusive:
        return methods.activate(summed)
    return np.clip(np.exp(summed), EDGE, 1 - EDGE)


# names


def match(
    target: Sequence[str], source: Sequence[str], chosen: Mapping[str, str] | None = None
) -> list[list[int]]:
    """For each target label the source classes it names, perhaps none.

    Case, underscores, hyphens and plural endings do not count. A source class may have several names
    ("tabby, tabby cat"). Where a label is the whole name of some class, only such classes are taken
    ("bee"); otherwise those with a name that ends in it ("cat": "tabby cat", "Persian cat"). A class
    that fits several labels goes to the one that shares most words. `chosen` maps source names to
    target labels and goes before everything else.
    """
    taken = {normalised(name): label for name, label in (chosen or {}).items()}
    wanted = [normalised(label).split() for label in target]
    found: list[list[tuple[int, bool]]] = [[] for _ in target]
    for index, label in enumerate(source):
        names = [normalised(name) for name in (label, *label.split(","))]
        by_hand = next((taken[name] for name in names if name in taken), None)
        if by_hand is not None:
            found[list(target).index(by_hand)].append((index, True))
            continue
        claims = [_claim(words, names) for words in wanted]
        matched, whole = best = max(claims)
        if matched and claims.count(best) == 1:
            found[claims.index(best)].append((index, whole))
    return [
        [index for index, whole in entries if whole or not any(w for _, w in entries)] for entries in found
    ]


def _claim(words: list[str], names: Sequence[str]) -> tuple[int, bool]:
    """How well a source class fits a target label: (words matched, whether that is a whole name)."""
    ending = [name.split() for name in names if words and name.split()[-len(words) :] == words]
    return len(words) if ending else 0, words in ending


def normalised(name: str) -> str:
    """Lower case, words parted by single spaces, each in the singular (roughly, as English has it)."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(_singular(word) for word in re.findall(r"\w+", text.replace("_", " ")))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
