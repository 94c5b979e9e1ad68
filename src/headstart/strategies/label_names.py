"""Direct use for texts: each text gets the label whose name lies nearest to it in the source's embedding.

The names are put into a few sentences, as in zero-shot prompting (Radford et al., ICML 2021); texts and names
are centred, for all embeddings share a large common part. Labels of texts serve for the temperature alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core.backbone import Backbone
from headstart.core.dataset import TextItem
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.measure.calibration import fit_temperature
from headstart.strategies.shared._folds import empty_trial, run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.classification import Classification

TEMPLATES = ("{}", "This text is about {}.", "It is {}.")
"""Sentences that a label's name is put into; the mean of their embeddings stands for the label."""
SHARPNESS = 20.0
"""Logits are so many times the similarity, before the temperature."""
BATCH = 64
EMPTY_WORDS = frozenset({"class", "label", "category", "type", "topic", "group", "id", "nr", "c", "l"})
"""Words that number labels, and say nothing of what they are."""
DISTINCT = 0.9
"""Share of the names that must differ without such words."""


class LabelNames:
    """No training: the names of the labels are all that is known of them."""

    name = "label-names"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """One pass over the texts (which the probe shares), and the labels' names; nothing where those say
        nothing."""
        if unsuited(request):
            return Cost()
        names = len(TEMPLATES) * request.task.outputs
        return Cost(1.0, seconds_per_pass * (1 + names / max(1, len(request.dataset))))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`; "not applicable" where the names say nothing. `Trial.choices` holds the "names"."""
        backbone = request.network
        arm = request.arm(self.name)
        obstacle = unsuited(request)
        if obstacle:
            return empty_trial(request, arm, "not applicable", obstacle)
        features = request.features(backbone, FeatureSpec(taps=backbone.taps()))  # the probe's pass, too
        stored = features.tap(backbone.embedding)
        names = opened(request.task.labels)
        vectors, activate = embedded(backbone, names), Classification().activate

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            weight, bias = head(request, vectors, np.asarray(stored[fold.train], np.float64), fold.train)
            return activate(np.asarray(stored[fold.test], np.float64) @ weight.T + bias), {}

        before = Cost(features.forward_passes, features.seconds)
        trial = run_folds(request, arm, fit_fold, before=before, about="|".join(TEMPLATES))
        reason = trial.reason or f"the {len(names)} names of the labels, in {len(TEMPLATES)} sentences each"
        return replace(trial, choices={"names": list(names)}, reason=reason)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps" whose head is made of the labels' names."""
        backbone = request.network
        rows, tap = request.split.development, backbone.embedding
        stored = request.features(backbone, FeatureSpec(taps=(tap,))).tap(tap)
        vectors = embedded(backbone, trial.choices["names"])
        weight, bias = head(request, vectors, np.asarray(stored[rows], np.float64), rows)
        return taps_model(request.task, backbone, [tap], weight, bias)


def unsuited(request: Request) -> str:
    """Why names cannot be compared with texts; empty when they can."""
    if not tasks.for_task(request.task).exclusive:
        return f"names are compared for one label a text; this is a {request.task.kind} task"
    if not modalities.get(request.network.source.modality).IN_WORDS:
        return "the source reads no texts"
    if request.dataset.pairs:
        return "a label of two texts says how they belong together, which no single text is near to"
    if not telling(request.task.labels):
        return "the labels have numbers for names"
    return ""


def telling(labels: Sequence[str]) -> bool:
    """Whether the names say what the labels are: letters beyond "class" and its like, different in nearly all
    ("gas" and "gas type" may stand beside each other)."""
    said = []
    for name in opened(labels):
        words = [word for word in re.findall(r"[^\W\d_]+", name.casefold()) if word not in EMPTY_WORDS]
        said.append(" ".join(words))
    return all(said) and len(set(said)) >= DISTINCT * len(said)


def opened(labels: Sequence[str]) -> tuple[str, ...]:
    """Names as one would write them: "book_flight" and "bookFlight" become "book flight"."""
    out = []
    for label in labels:
        apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
        words = re.sub(r"[_\-/.:+\s]+", " ", apart).strip()
        out.append(words if words.isupper() else words[:1] + words[1:].lower() if " " in words else words)
    return tuple(out)


def embedded(backbone: Backbone, names: Sequence[str]) -> np.ndarray:
    """`[K, D]`: of each name the mean embedding, each of length 1, of the sentences it is put into."""
    import torch

    contract, tap = backbone.source.input, backbone.embedding
    room = modalities.get(contract.modality)
    sentences = [template.format(name) for name in names for template in TEMPLATES]
    device = next((p.device for p in backbone.module.parameters()), torch.device("cpu"))
    backbone.module.eval()
    out = []
    with torch.inference_mode():
        for start in range(0, len(sentences), BATCH):
            part = [TextItem("", sentence).read() for sentence in sentences[start : start + BATCH]]
            batch = torch.from_numpy(room.collate([room.prepare(data, contract) for data in part]))
            state = backbone.full(backbone.normalise(batch.to(device)))
            out.append(backbone.pool(state, tap).float().cpu().numpy())
    found = np.concatenate(out).astype(np.float64)
    unit = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit.reshape(len(names), len(TEMPLATES), -1).mean(axis=1))


def head(
    request: Request, vectors: np.ndarray, features: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(weight `[K, D]`, bias `[K]`): similarities to the centred names, of texts centred on their own mean.

    `features` `[n, D]` belong to the rows; the temperature is that of the least log-loss on them.
    """
    centred = vectors - vectors.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    length = max(1e-12, float(np.linalg.norm(features, axis=1).mean()))
    weight = SHARPNESS * centred / length
    bias = -weight @ features.mean(axis=0)
    temperature = fit_temperature(features @ weight.T + bias, request.dataset.targets[rows])
    return weight / temperature, bias / temperature
