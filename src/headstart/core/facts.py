"""Facts: what is true of a strategy. The plan, the verdict, the leaderboard and the help read it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["floor", "simple", "random", "scratch", "transfer", "fallback", "ensemble", "adapt"]
"""floor: the least any model must beat. simple: a simple model on raw input. random, scratch: controls, the
source's architecture without what it has learnt. transfer: uses what a source has learnt. fallback: does so
too, tried where the verdict is bad. ensemble: averages other arms. adapt: also looks at unlabelled items of a
target domain (`strategies.adapt`)."""
Shift = Literal["linear", "statistics", "shares", "covariates"]
"""How a target may differ from the source, where an adapter has been shown to undo it: features by a linear
map; inputs by contrast and brightness; the shares of the classes; how common each kind of item is."""


@dataclass(frozen=True)
class Facts:
    """One strategy."""

    name: str
    where: str
    """"module:class" of the `Strategy`, imported when it is run; empty: it is for other forms alone."""
    role: Role
    forms: Mapping[str, str] = field(default_factory=dict, hash=False)
    """"module:class" of what does the same for tasks whose answers are no numbers, by the form that these
    have (`TaskMethods.form`); "heard": for texts that follow their item in time (`tasks.base.Says.heard`), if
    it differs."""
    title: str = ""
    """What sentences call it: "a simple model on raw pixels". Empty: its name."""
    short: str = ""
    """What a column of gains over it is called, where that is not its name."""
    reason: str = ""
    """Why the plan runs it; {source} is replaced by the source's name."""
    modalities: tuple[str, ...] = ()
    """Kinds of data it knows; empty: all."""
    by_hand: tuple[str, ...] = ()
    """Kinds of data for which it runs only where strategies are named."""
    plain: int = 0
    """The side of the small pictures that it reads without a source: the first pass stores them on the way,
    so that nothing is decoded twice. 0: none."""
    reads: bool = False
    """Whether it runs for every source, on what the pass over the items has stored."""
    own_pass: bool = False
    """Whether it reads what the probe's pass does not store: it needs one of its own."""
    ranks: bool = False
    """Whether its score is what sources are ranked by."""
    classifies: bool = False
    """Whether it needs a source with a classifier of its own."""
    writes: bool = False
    """Whether its answers are written, where they are texts: it needs a source that can (`Source.writes`)."""
    untouched: bool = False
    """Whether it is the source as it is: what is trained further is compared with it, too."""
    trains: bool = False
    """Whether weights of the trunk change: such arms have few folds, and must show more to be preferred."""
    all_layers: bool = False
    """Whether it trains through every layer: the shortest training of each such arm takes about as long."""
    races: bool = False
    """Whether it is tried on a part of its first fold before it gets the rest (`planning.seen.race`)."""
    share: float = 1.0
    """Of the time left, the part that it may take."""
    share_of_few: float | None = None
    """The same where few labels make an `expert` come first, where it differs."""
    turn: tuple[float, float, float] = (9, 9, 9)
    """Its place among the arms that train further: as a rule, where an `expert` comes first, and with more
    labels than an expert is for."""
    expert: tuple[int, int] | None = None
    """Labels a class, from and up to (without) which it is known to be worth more than a frozen network, and
    comes first."""
    mends: tuple[Shift, ...] = ()
    """Of an adapter: shifts that it undoes; its conformance suite holds it to these."""
    unlabelled: bool = False
    """Whether it learns from items without a label, too: it runs where there are any, on the best source,
    and is preferred to what does not only where the evidence is for it."""
    prior: tuple[float, float] | None = None
    """What it gains in accuracy over what learns from the same labels with less, before anything was seen,
    and how much that differs between data sets; None: nothing is known. Of what is `unlabelled`, with few
    labels and many errors left (`evidence.selection.hoped`)."""
    known_for: str = ""
    """Why that is so, as a clause."""
    step: str = ""
    """What it is called where it was tried because the verdict was bad."""

    @property
    def as_it_is(self) -> bool:
        """Whether the source itself answers, by what it has learnt before."""
        return self.untouched or self.classifies

    def of(self, form: str) -> str:
        """ "module:class" of the one for answers of a form (`TaskMethods.form`); "" for none."""
        return self.forms.get(form, "") if form else self.where

    def knows(self, modality: str, *, form: str = "") -> bool:
        """Whether it knows a kind of data, and gives answers of a form."""
        return (not self.modalities or modality in self.modalities) and bool(self.of(form))

    def needs_writer(self, form: str) -> bool:
        """Whether it needs a source that writes, for answers of a form."""
        return self.writes and form == "texts" and bool(self.of(form))

    @property
    def needs_source(self) -> bool:
        return self.role not in ("floor", "simple", "ensemble")

    @property
    def transfers(self) -> bool:
        """Whether it uses what a source has learnt, by itself."""
        return self.role in ("transfer", "fallback")
