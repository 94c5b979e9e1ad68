"""Shift: whether a target domain is like the source, in what way it is not, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities, sources, tasks
from headstart.core import environment, words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener, ignore
from headstart.core.features import FeatureSpec
from headstart.core.files import write_json
from headstart.data import splits
from headstart.data.checks import duplicates
from headstart.errors import RunError
from headstart.measure.shift import (
    AccuracyBound,
    Bbsd,
    LabelShift,
    Mmd,
    Separation,
    domain_auc,
    mmd,
    signature,
)
from headstart.measure.shift.separation import COMPLETE
from headstart.measure.shift.signature import Circle, Kind, Signature
from headstart.passes import near_duplicates
from headstart.passes.extractor import StoreExtractor
from headstart.predict.predictor import Predictor
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig
from headstart.run.state.folder import SHIFTS, read_object
from headstart.store.store import FeatureStore
from headstart.tasks.base import Places
from headstart.workflows.answers import given as of
from headstart.workflows.answers.follow import Answered, Share
from headstart.workflows.inputs import domains as inputs
from headstart.workflows.inputs.domains import Domains, Wanted
from headstart.workflows.inputs.finished import best_source
from headstart.workflows.looks import Apart, artefacts, features, opened

SHOWN = 12
"""Items of each domain that are shown."""
FEW_GROUPS = 10
NOTED = 12
"""Targets of which a run keeps what was found."""
BEGINNING = 200
"""Characters of a text that are told."""
UNADAPTED = "label items of the target and learn from both: nothing adapts {} without labels"
ADVICE: Mapping[Kind, str] = {
    "none": "use the source's model on the target as it is",
    "covariate": "align the features (CORAL, LinOT, AdaBN), and keep that only where it is shown to help",
    "label": "weigh the model's answers by the class frequencies found here; its features need no change",
    "both": "align the features with the classes balanced first, then weigh the answers by the class "
    "frequencies, and keep that only where it is shown to help",
    "concept": "do not adapt without labels: label items of the target, and learn from them",
}


@dataclass(frozen=True)
class Telling:
    """An item by which its domain is told."""

    domain: str
    """ "a" or "b"."""
    row: int
    """In `Shift.both`."""
    item: str
    score: float
    """Held-out probability that it is of the target."""
    text: str = ""
    """The beginning of a text; nothing for other items."""


@dataclass(frozen=True, eq=False)
class Shift:
    """What was found of two domains, A (the source) and B (the target)."""

    found: Signature
    auc: Separation
    mmd: Mmd
    bbsd: Bbsd | None
    label_shift: LabelShift | None
    accuracy_bound: AccuracyBound | None
    circle: Circle | None
    artefacts: tuple[Apart, ...]
    """Of the files, the most telling first."""
    features: tuple[dict[str, Any], ...]
    items: tuple[Telling, ...]
    classes: tuple[Share, ...]
    names: tuple[str, str]
    sizes: tuple[int, int]
    source: str
    """Whose features were looked at."""
    model: str
    """Whose answers; "" without labels."""
    nouns: tuple[str, str]
    seed: int
    notes: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    both: Dataset = field(repr=False)
    """The items of A, then those of B."""
    embedding: np.ndarray = field(repr=False)
    """float32 `[S + T, D]`"""
    folder: Path | None = None
    """That of the run, where A is one."""
    amounts: str = ""
    """Where an item shows several classes, what `classes` tells: "objects" an item, or "shares" of it."""
    called: str = ""
    """What answers are that no adapter knows: "masks", "boxes", ..."""

    @property
    def kind(self) -> Kind:
        """ "none", "covariate", "label", "both" or "concept"."""
        return self.found.kind

    @property
    def reason(self) -> str:
        return self.found.reason

    @property
    def warning(self) -> str:
        """What comes before everything else: that the files tell the domains apart; "" where they do not."""
        alone = [one for one in self.artefacts if one.alone]
        if not alone:
            return ""
        said = "; ".join(f"{one.name}: {one.source} in A, {one.target} in B" for one in alone[:3])
        return f"the files alone tell the domains apart ({said}), whatever is in them"

    @property
    def advice(self) -> str:
        """What to do, in one sentence."""
        if self.warning:
            named = words.few([one.name for one in self.artefacts if one.alone], 3)
            return f"bring both to one form first ({named}), and ask again: until then all else is in doubt"
        advice = ADVICE[self.kind]
        if self.called and self.kind != "none":
            advice = UNADAPTED.format(self.called)
        if self.kind not in ("none", "label") and self.auc.value > COMPLETE:
            first = "look at what differs most: so clear a difference may be one of how items were collected"
            return f"{first}; if it is not, {advice}"
        return advice

    @property
    def next(self) -> str:
        """The command that helps: `adapt` where that may, `label-next` where only labels do; "" where there
        is nothing to do, or the files must be mended first."""
        if self.warning or self.kind == "none" or not self.model:
            return ""
        run = "RUN" if self.folder is None else str(self.folder)
        command = "label-next" if self.kind == "concept" or self.called else "adapt"
        first = "" if self.folder else f"headstart fit {shlex.quote(self.names[0])} --out RUN && "
        return f"{first}{shlex.join(['headstart', command, run, self.names[1]])}"

    def __repr__(self) -> str:
        return f"Shift({self.kind!r}: {self.reason})"

    def to_json(self) -> dict[str, Any]:
        def plain(one: Any) -> Any:
            return None if one is None else one.to_json()

        return {
            "kind": self.kind,
            "reason": self.reason,
            "advice": self.advice,
            "next": self.next,
            "warning": self.warning,
            "auc": self.auc.to_json(),
            "mmd": self.mmd.to_json(),
            "bbsd": plain(self.bbsd),
            "label_shift": plain(self.label_shift),
            "accuracy_bound": plain(self.accuracy_bound),
            "classes": [vars(one) for one in self.classes],
            **({"amounts": self.amounts} if self.amounts else {}),
            "artefacts": [one.to_json() for one in self.artefacts],
            "features": [dict(one) for one in self.features],
            "items": [{key: value for key, value in vars(one).items() if key != "row"} for one in self.items],
            "a": {"name": self.names[0], "items": self.sizes[0]},
            "b": {"name": self.names[1], "items": self.sizes[1]},
            "source": self.source,
            "model": self.model,
            "transfer": "transductive" if self.model else "unsupervised",  # `domains.KINDS`
            "seed": self.seed,
            "notes": list(self.notes),
            "unreadable": [{"id": ident, "error": reason} for ident, reason in self.unreadable],
        }


def shift(
    a: Any,
    b: Any,
    wanted: Wanted,
    listen: Listener = ignore,
    predictor: Callable[[Path], Predictor] | None = None,
) -> Shift:
    """Compare two domains by one pass of a source over them; what is stored already is not computed again.

    `a` is anything `headstart.load` reads, or the folder of a finished run, whose model `predictor` opens;
    `b` anything `load` reads, whose labels are not looked at but for their names. Of many items `inputs.MOST`
    of each are looked at. Near-duplicates, and rows of one group, stay on one side of every fold and count
    once.

    Raises what `inputs.read` does, `SourceError` and `WeightsMissing` for the source, `BadOption` for
    options.
    """
    environment.check_alone("shift")
    domains = inputs.read(a, b, wanted, listen)
    n, both = len(domains.source), domains.both()
    name, backbone = _source(domains, wanted)

    def tell(what: str, done: int, total: int) -> None:
        listen(Event("progress", {"arm": what, "what": f"pass {what}", "done": done, "total": total}))

    extract = StoreExtractor(FeatureStore.default(), both, progress=tell)
    pairs = near_duplicates.find(backbone, both, extract)
    tap = backbone.embedding
    rows = extract(backbone, FeatureSpec(taps=(tap,))).tap(tap)[np.arange(len(both))]
    rows = np.nan_to_num(rows.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    groups = splits.unite(both, duplicates.duplicate_groups(both, pairs) if pairs else None)
    a_groups, b_groups = groups[:n], groups[n:]
    auc = domain_auc(rows[:n], rows[n:], groups_s=a_groups, groups_t=b_groups, seed=wanted.seed)
    said = None
    if predictor is not None and domains.folder is not None and domains.source.rows is not None:
        said = of.of_run(domains, predictor(domains.folder))
    said = said or of.of_probe(domains, rows, groups, wanted.seed)
    answered = Answered.of(domains, said, rows, groups, auc, wanted.seed)
    two_samples = mmd(rows[:n], rows[n:], wanted.seed, groups_s=a_groups, groups_t=b_groups)
    found = signature(
        auc, mmd=two_samples, bbsd=answered.bbsd, label_shift=answered.label_shift,
        reweighted=answered.reweighted, circle=answered.circle, amounts=answered.moved,
    )  # fmt: skip
    methods = None if domains.task is None else tasks.for_task(domains.task)
    return Shift(
        found, auc, two_samples, answered.bbsd, answered.label_shift, answered.accuracy, answered.circle,
        tuple(artefacts(domains, wanted.seed)), tuple(features(domains, wanted.seed)),
        tuple(_items(both, n, auc, groups)), tuple(answered.classes),
        (domains.source.name, domains.target.name), (n, len(domains.target)), name,
        said.model if said else "", domains.nouns, wanted.seed,
        (*domains.notes, *_notes(domains, groups, answered)),
        (*domains.source.unreadable, *domains.target.unreadable), both, rows, domains.folder,
        answered.amounts, methods.called if isinstance(methods, Places) else "",
    )  # fmt: skip


def note(folder: Path, found: Shift, listen: Listener = ignore) -> None:
    """Note in the run's folder what was found, in the place of what was known of the same target; atomic.
    Where it cannot be written, that is told and no more: the answer is there."""
    summary = {name: value for name, value in found.to_json().items() if name not in ("items", "unreadable")}
    try:
        known = read_object(folder / SHIFTS).get("shifts", [])
        others = [one for one in known if one.get("b") != summary["b"]]
        write_json(folder / SHIFTS, {"shifts": [*others, summary][-NOTED:]})
    except (OSError, RunError) as error:
        listen(Event("note", {"label": "shift", "text": f"not noted in the run: {error}"}))


def _source(domains: Domains, wanted: Wanted) -> tuple[str, Any]:
    """(name, network): the one that is named, that of the run, or the first on this machine."""
    if domains.folder is not None and wanted.source is None:
        return best_source(domains.folder, domains.record, domains.source.dataset, download=wanted.download)
    specs = () if wanted.source is None else (wanted.source,)
    config = RunConfig(None, sources=specs, download=wanted.download)
    name, source = next(iter(resolve.find_sources(config, domains.source.dataset).items()))
    return name, sources.load(source, download=wanted.download)


def _items(both: Dataset, n: int, auc: Separation, groups: np.ndarray) -> list[Telling]:
    """The items that are surest of their domain, those of the target first, one of each group."""
    room, out = modalities.get(both.modality), []
    for domain, order in (
        ("b", np.argsort(-auc.scores, kind="stable")),
        ("a", np.argsort(auc.scores, kind="stable")),
    ):
        own = [row for row in order.tolist() if (row >= n) == (domain == "b")]
        first = np.sort(np.unique(groups[own], return_index=True)[1])[:SHOWN]
        for row in (own[place] for place in first):
            item = opened(both, row) if room.IN_WORDS else None
            text = "" if item is None else room.beginning(item, BEGINNING)
            score = 1 / (1 + np.exp(-np.clip(auc.scores[row], -30, 30)))
            out.append(Telling(domain, row, both.items[row].id, float(score), text))
    return out


def _notes(domains: Domains, groups: np.ndarray, answered: Answered) -> list[str]:
    n, out = len(domains.source), []
    copies = int(np.isin(groups[n:], groups[:n]).sum())
    if copies:
        out.append(
            f"{words.count(copies, *domains.nouns)} of B {'is a copy' if copies == 1 else 'are copies'} of "
            "items of A, or nearly"
        )
    for name, own in (("A", groups[:n]), ("B", groups[n:])):
        units = len(np.unique(own))
        if units < FEW_GROUPS:
            out.append(f"{name} has only {words.count(units, 'independent group')}: intervals say little")
    return [*out, *([answered.note] if answered.note else [])]
