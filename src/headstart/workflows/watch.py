"""Watching a model in use: whether what it is asked is still like what it learnt from, how often it is
not sure enough to answer, and which items to label next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.core.events import Listener, ignore
from headstart.errors import BadOption, DataError, UnknownName
from headstart.measure.intervals import wilson
from headstart.predict.predictor import Predictor, stream
from headstart.predict.selective import Caution
from headstart.predict.tiles import Tiling
from headstart.run.state.folder import read_finished
from headstart.workflows import label_next
from headstart.workflows.inputs.domains import Wanted
from headstart.workflows.label_next import Proposal
from headstart.workflows.shift import Shift, shift

COLUMNS = ("path_column", "text_column", "pair_column")
RISK = 0.05
"""Share of wrong answers among those given, unless another is asked for."""


@dataclass(frozen=True)
class Abstention:
    """How often the model is not sure enough to answer."""

    risk: float
    """Share of wrong answers that was to be allowed."""
    abstained: int
    n: int
    low: float
    high: float
    """Wilson's 95 % interval of the rate; items count as independent."""
    before: float
    """The rate on the items that the run held out."""

    @property
    def rate(self) -> float:
        return self.abstained / self.n

    @property
    def text(self) -> str:
        """3.0 % [1.4, 6.4] of 200 items, ..."""
        return (
            f"{self.rate:.1%} [{100 * self.low:.1f}, {100 * self.high:.1f}] of {self.n:,} items "
            f"are not answered at a risk of {self.risk:g}; of the run's held-out items {self.before:.1%}"
        )

    def to_json(self) -> dict[str, Any]:
        return {"rate": self.rate, **vars(self)}


@dataclass(frozen=True)
class Watched:
    """What was found of the items that a model was asked."""

    shift: Shift
    abstention: Abstention | None
    proposal: Proposal | None
    notes: tuple[str, ...] = ()
    """Why there is no rate of abstention, or nothing to label."""

    @property
    def real(self) -> bool:
        """Whether the shift is one to act on: of a kind, or in the files alone."""
        return self.shift.kind != "none" or bool(self.shift.warning)

    def to_json(self) -> dict[str, Any]:
        return {
            "real": self.real,
            "shift": self.shift.to_json(),
            "abstention": None if self.abstention is None else self.abstention.to_json(),
            "label_next": None if self.proposal is None else self.proposal.to_json(),
            "notes": list(self.notes),
        }


def asked(options: Mapping[str, Any]) -> Wanted:
    """What is asked for, from options by name; None is as if not given. Raises `UnknownName`."""
    own = ("seed", "labelled", "download")
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in own + COLUMNS:
            raise UnknownName("option", name, [*own, *COLUMNS, "n", "risk", "page"])
    reading = {name: given.pop(name) for name in COLUMNS if name in given}
    return Wanted(None, reading=reading, **given)


def watch(
    predictor: Predictor,
    run: Any,
    inputs: Any,
    wanted: Wanted,
    *,
    n: int = 20,
    risk: float | None = None,
    listen: Listener = ignore,
) -> Watched:
    """Shift of `inputs` against the data of the finished run in folder `run`, whose model is `predictor`; its
    rate of abstention; and `n` items to label next.

    Without `risk`, `RISK`, and a model that cannot abstain at it is a note. Raises what `shift` and `propose`
    do, and `BadOption` for a risk that was asked for and cannot be had.
    """
    if n < 1:
        raise BadOption("n", n, "at least 1")
    notes: list[str] = []
    caution = None
    try:
        caution = Caution.of(
            predictor.model.evidence, predictor.model.task, risk=RISK if risk is None else risk
        )
    except BadOption as error:
        if risk is not None:
            raise
        notes.append(f"no rate of abstention: {error}")
    found = shift(run, inputs, wanted, listen, predictor=lambda _: predictor)
    ask = label_next.Wanted(n, wanted.seed, wanted.labelled, wanted.download, wanted.reading)
    abstention = None
    if caution is not None:
        abstention = abstentions(
            predictor, inputs, ask, caution, RISK if risk is None else risk, read_finished(run)
        )
    try:
        proposal = label_next.propose(run, predictor, inputs, ask)
    except DataError as error:  # that items can be read was seen above: all are copies of labelled ones
        proposal = None
        notes.append(f"nothing to label: {error}")
    return Watched(found, abstention, proposal, tuple(notes))


def abstentions(
    predictor: Predictor,
    inputs: Any,
    ask: label_next.Wanted,
    caution: Caution,
    risk: float,
    record: Mapping[str, Any],
) -> Abstention | None:
    """How many of the readable items the model does not answer, and of those that its run held out."""
    items, model = label_next.pool_items(predictor, inputs, ask, record), predictor.model
    rows = [row for row in stream(predictor, items, tiling=Tiling.of(model, None)) if row.scores is not None]
    if not rows:
        return None
    silent = sum(caution(model.task, replace(row, abstains=False)).abstains for row in rows)
    reach = wilson(silent, len(rows))
    top = np.array(model.evidence["held_out"]["top"], np.float64)
    assert caution.surest is not None
    before = float((top < caution.surest - 1e-6).mean())
    return Abstention(risk, silent, len(rows), reach.low, reach.high, before)
