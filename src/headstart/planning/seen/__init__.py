"""What the plan sees, and what it says: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headstart.planning.seen import race
from headstart.planning.seen.race import Heat
from headstart.strategies import facts

FAST, BALANCED, BEST = QUALITIES = ("fast", "balanced", "best")
"""How much is tried where no strategy is named. fast: nothing that trains a trunk, so that nothing is
compared with training from scratch either; best: also what otherwise runs by hand only."""


@dataclass(frozen=True)
class Candidate:
    """A source as the plan sees it."""

    name: str
    classifies: bool = False
    """Whether it brings a classifier of its own with named labels."""
    writes: bool = False  # texts
    second_way: bool = False
    """Whether it is another source of the run that reads pairs in its other way, which is what is asked of
    pairs: it need not leave time for the proof."""
    left_out: str = ""
    """Why it is not probed though there be time; empty: it is."""


@dataclass(frozen=True)
class Outcome:
    """A finished arm as the plan sees it."""

    strategy: str
    source: str | None
    score: float | None
    """Out-of-fold headline metric turned so that higher is better; None when there is none."""
    needs: float | None = None
    """Seconds without which it could not even begin; None for one that did."""
    folds: int = 0
    """Folds that it has."""
    rungs: tuple[int, ...] = ()
    """Numbers of folds that it may still go on to, fewest first."""
    fold: float = 0.0
    """Seconds that one more may take."""
    trains: bool = True
    """Whether it trains a trunk: others have cheap folds, and go on as far as the time goes at once."""
    begin: float = 0.0
    """Seconds that it takes to begin again."""
    behind: bool = False
    """Whether it trains a trunk and is clearly worse, on the same items, than the best that does not: it will
    not ship."""
    heat: Heat | None = None
    """Where it stands while its first fold is not trained to the end."""
    again: tuple[int, ...] = ()  # like rungs, where items are held out once more, in further repeats


@dataclass(frozen=True)
class Known:
    """Everything the next decision may depend on."""

    sources: tuple[Candidate, ...]
    left: float
    """Seconds left for arms (the time to finish and save is kept back by the caller)."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By arm name. Arms that failed or were cut off are in here too: they are not tried again."""
    estimates: Mapping[str, float] = field(default_factory=dict)
    """Seconds by arm name, each as if it alone were run, where an estimate exists."""
    passes: Mapping[str, float] = field(default_factory=dict)
    """Seconds of one pass over the items, by source."""
    read: frozenset[str] = frozenset()
    """Sources whose pass is made."""
    allowed: frozenset[str] | None = None
    """Strategies to run; None: those of the quality."""
    quality: str = BALANCED
    """One of `QUALITIES`."""
    modality: str = "image"
    form: str = ""  # of the answers, where they are no numbers
    per_class: float | None = None
    """Labels a class on average; None where there are no classes, one an item."""
    labelled: int = 0
    """Items to learn from."""
    unlabelled: int = 0
    spare: float = 0.0
    """Seconds left for more folds of arms that have run: what the end takes is known by then, the training on
    all rows of whatever arm may ship."""
    settled: float = 0.0
    """The same without those that are `behind`: where transfer is not in doubt nothing averages with them."""
    hangs: tuple[str, ...] = ()
    """Arms on which the verdict, or what ships, hangs."""
    open: tuple[str, ...] = ()  # baselines of which more folds alone can make the verdict say "helps"
    reached: str = ""
    """What ships, where it is as good as was asked for: nothing more is tried then."""
    doubt: str = ""
    """The verdict so far, "hurts" or "no evidence", once every other arm has run: asks for answers to it."""


@dataclass(frozen=True)
class Step:
    """One arm to run next."""

    arm: str
    strategy: str
    source: str | None
    seconds: float
    """Time it may take."""
    estimate: float | None
    """Seconds that it is expected to take; of what trains, until its pace is measured, without a limit."""
    reason: str
    answer: bool = False
    """Whether it was only tried because transfer hurts, or is not shown to help."""
    folds: int = 0
    """Folds to go on to, for an arm that has some of them; 0 for one that begins."""
    part: float = 0.0
    """Of the steps of the first fold, the part to go on to; 0: all of them."""

    @property
    def predicted(self) -> float | None:
        """Seconds that it will take; None for a training that begins, which settles on what fits its time."""
        begins = not self.folds and self.part in (0.0, race.PARTS[0])
        return None if begins and facts(self.strategy).trains else self.estimate


@dataclass(frozen=True)
class Skipped:
    """An arm that will not be run, and why."""

    arm: str
    strategy: str
    reason: str
    estimate: float | None = None
