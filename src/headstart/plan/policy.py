"""What next? A pure function of what is known: no clock, no disk, no model.

The order of things: baselines that cost nothing; one pass and a probe for every source; then, for
the source whose probe is best, the two controls (the same network random and frozen, and from
scratch) and deeper training. Controls come before deeper training: without them nothing can be
proved, and a better model without proof is not what was asked for (few labelled texts are the exception:
contrastive fine-tuning goes before training from scratch). Where transfer then hurts, or is not
shown to help, come the answers to that, from the one that takes nothing of the source's last layers to
the one that leans on it only in part. What is tried, and in which order, depends on the kind of data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from headstart.core.budget import words
from headstart.core.strategy import arm_name

RAW = {"image": "pixels", "text": "tfidf"}
"""Modality -> the simple model on raw input."""
BASELINES = ("majority", *RAW.values())
CONTROLS = ("random-frozen", "scratch")
DEEPER = ("contrastive", "finetune", "lora", "bitfit", "full")
ANSWERS = ("early-probe", "finetune-slow", "stack")
ALL = (*BASELINES, "direct", "label-names", "probe", *CONTROLS, *DEEPER, *ANSWERS)
ONLY = {"pixels": "image", "direct": "image", "tfidf": "text", "label-names": "text", "contrastive": "text"}
"""Strategies that know one modality alone."""
BY_HAND = {"image": ("lora", "bitfit")}
"""Modality -> strategies that are run only where someone has named strategies."""

SHARES = {
    "tfidf": 0.2,
    "scratch": 0.5,
    "contrastive": 0.6,
    "finetune": 0.6,
    "lora": 0.5,
    "bitfit": 0.5,
    "full": 1.0,
    "finetune-slow": 0.5,
}
"""Share of the time then left that a training arm may take. Scratch gets as much as it can use
without starving fine-tuning; whatever one leaves over goes to the next."""
OF_FEW_TEXTS = {"scratch": 0.2, "contrastive": 0.75}
"""The same for few texts, where it differs: an encoder learns next to nothing from a few hundred of them,
however long it is trained, and comparing pairs gains most."""
MANY_TEXTS = 2_000
"""Labelled texts from which training from scratch comes first again, though there be few a class."""

LEAST = 3.0
"""Seconds under which no arm with a trunk is started, and that what is run in any case gets at the least."""

KEPT_FOR_PROOF = 0.25
"""Share of the time left that a further source's probe must leave for training from scratch: one more
source without it would be a better model that nothing is known about."""

READERS = ("probe", "label-names", "direct")
"""Arms that share the pass over the items."""

MARGIN = 1.1
"""What an arm that is tried once more may need beyond what it said."""

ALL_LAYERS = ("scratch", "lora", "bitfit", "full")
"""Arms that train through every layer: the shortest training of each takes about as long."""
AT_LEAST = 0.6
"""Part of the time that one of them needs which another needs at the least: without gradients of the weights
a step takes two thirds."""

CONTROL_SHARE = 0.2
"""A random-frozen control is dropped rather than take more than this share of what is left."""

CONTRASTIVE = (4, 128)
"""Labels a class, from and up to (without) which comparing texts with each other comes before other training:
with fewer there are hardly any pairs, with more plain fine-tuning is as good (Tunstall et al., 2022)."""


DOUBTS = {
    "hurts": "transfer hurts so far",
    "no evidence": "transfer is not shown to help so far",
}
"""Outcomes that ask for an answer, in words."""


@dataclass(frozen=True)
class Candidate:
    """A source as the plan sees it."""

    name: str
    classifies: bool = False
    """Whether it brings a classifier of its own with named labels."""
    second_way: bool = False
    """Whether it is another source of the run that reads pairs in its other way. Which way is better is what
    is asked of pairs: it need not leave time for the proof, as a further source must."""


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
    """Sources whose pass is made: see `READERS`."""
    allowed: frozenset[str] = frozenset(ALL)
    """Strategies to run. The baselines and controls belong to every run unless excluded by hand."""
    modality: str = "image"
    per_class: float | None = None
    """Labels a class on average; None where there are no classes, one an item."""
    labelled: int = 0
    """Items to learn from."""
    spare: float = 0.0
    """Seconds left for more folds of arms that have run: what the end takes is known by then."""
    hangs: tuple[str, ...] = ()
    """Arms on which the verdict, or what ships, hangs."""
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
    reason: str
    answer: bool = False
    """Whether it was only tried because transfer hurts, or is not shown to help."""
    folds: int = 0
    """Folds to go on to, for an arm that has some of them; 0 for one that begins."""


@dataclass(frozen=True)
class Skipped:
    """An arm that will not be run, and why."""

    arm: str
    strategy: str
    reason: str
    estimate: float | None = None


def best_source(known: Known) -> Candidate | None:
    """The source whose probe (or own classifier) scored best; the earlier one on a tie. Without scores, the
    first."""
    scored = [
        (outcome.score, -index, candidate)
        for index, candidate in enumerate(known.sources)
        for strategy in READERS
        if (outcome := known.outcomes.get(arm_name(strategy, candidate.name))) and outcome.score is not None
    ]
    if scored:
        return max(scored, key=lambda entry: entry[:2])[2]
    return known.sources[0] if known.sources else None


def agenda(known: Known) -> list[tuple[str, Candidate | None, str]]:
    """All arms in order with the reason for each: (strategy, source, reason)."""
    arms: list[tuple[str, Candidate | None, str]] = [
        ("majority", None, "the least any model must beat"),
        (RAW[known.modality], None, "what needs no source at all"),
    ]
    for source in known.sources:
        arms.append(("probe", source, "one pass over the data pays for it"))
        arms.append(("label-names", source, "the names of the labels may say enough"))
        if source.classifies:
            arms.append(("direct", source, "its own classifier may know these labels"))
    best = best_source(known)
    if best is not None:
        first, *further = [(name, best, reason) for name, reason in deeper(known, best)]
        controls = [
            ("random-frozen", best, f"is it the weights of {best.name}, or only its architecture?"),
            ("scratch", best, "the same architecture without the source"),
        ]
        early = pairs_first(known)
        arms += [controls[0], first, controls[1], *further] if early else [*controls, first, *further]
        arms += answers(known, best)
    possible = known.allowed.intersection(
        strategies_of(known.modality, by_hand=known.allowed != frozenset(ALL))
    )
    return [arm for arm in arms if arm[0] in possible]


def strategies_of(modality: str, *, by_hand: bool = True) -> tuple[str, ...]:
    """The strategies that know a modality, in the order of `ALL`; with `by_hand` those to be named, too."""
    left_out = () if by_hand else BY_HAND.get(modality, ())
    return tuple(name for name in ALL if ONLY.get(name, modality) == modality and name not in left_out)


def pairs_first(known: Known) -> bool:
    """Whether texts are compared with each other even before training from scratch, which cannot use few."""
    return few_texts(known) and known.labelled < MANY_TEXTS and "contrastive" in known.allowed


def few_texts(known: Known) -> bool:
    """Whether comparing texts with each other comes before other training: see `CONTRASTIVE`."""
    least, most = CONTRASTIVE
    return known.modality == "text" and known.per_class is not None and least <= known.per_class < most


def deeper(known: Known, best: Candidate) -> list[tuple[str, str]]:
    """The arms that train the network further, with the reason for each, most promising first."""
    reasons = {
        "contrastive": "few labels a class: learn from all pairs of texts what makes them alike",
        "finetune": f"{best.name} has the best probe; train its last layers further",
        "lora": "small changes of low rank to every layer",
        "bitfit": "biases and norms alone",
        "full": "train every layer",
    }
    if known.modality == "image":
        order: tuple[str, ...] = ("finetune", "lora", "bitfit", "full")
    elif few_texts(known):
        order = DEEPER
    elif known.per_class is not None and known.per_class >= CONTRASTIVE[1]:
        order = ("finetune", "full", "lora", "bitfit", "contrastive")
    else:
        order = ("finetune", "lora", "bitfit", "full", "contrastive")
    return [(name, reasons[name]) for name in order]


def answers(known: Known, best: Candidate) -> list[tuple[str, Candidate | None, str]]:
    """What to try when the verdict so far is in doubt: all of it when transfer hurts, else what is cheap."""
    if known.doubt not in DOUBTS:
        return []
    so_far = DOUBTS[known.doubt]
    early = ("early-probe", best, f"{so_far}: earlier layers are less bound to what the source was made for")
    stack = ("stack", None, f"{so_far}: lean on the source only in part")
    if known.doubt != "hurts":
        return [early, stack]
    slow = ("finetune-slow", best, f"{so_far}: smaller steps change less of what the source has learnt")
    others = [c for c in known.sources if c != best and _score(known, c) is not None]
    second = max(others, key=lambda c: _score(known, c) or 0.0, default=None)
    if second is None:
        return [early, slow, stack]
    reason = f"{so_far}: {second.name} has the next best probe"
    alone = known.outcomes.get(arm_name("scratch", second.name))
    compared = "scratch" not in known.allowed or (alone is not None and alone.score is not None)
    deeper = [("finetune", second, reason)] if compared else []  # it would hide the verdict otherwise
    return [early, slow, ("scratch", second, reason), *deeper, stack]


def _score(known: Known, source: Candidate) -> float | None:
    outcome = known.outcomes.get(arm_name("probe", source.name))
    return None if outcome is None else outcome.score


def next_step(known: Known) -> Step | None:
    """The arm to run now, or None when the plan is at its end."""
    for strategy, source, reason in agenda(known):
        arm = arm_name(strategy, source.name if source else None)
        again = arm in known.outcomes and _fits_after_all(known, known.outcomes[arm])
        if (arm in known.outcomes and not again) or _obstacle(known, strategy, source):
            continue
        shares = {**SHARES, **OF_FEW_TEXTS} if pairs_first(known) else SHARES
        seconds = max(0.0, known.left) * (1.0 if again else shares.get(strategy, 1.0))
        if _due(known, strategy):
            seconds = max(seconds, LEAST)
        answer = bool(known.doubt) and reason.startswith(tuple(DOUBTS.values()))
        name = source.name if source else None
        return Step(arm, strategy, name, seconds, estimate_of(known, strategy, source), reason, answer)
    return None


def _fits_after_all(known: Known, outcome: Outcome) -> bool:
    """Whether an arm that its share of the time was too small for fits into all that is left."""
    return outcome.needs is not None and MARGIN * outcome.needs <= known.left


def skipped(known: Known) -> list[Skipped]:
    """The arms that the plan leaves out at this point for want of time."""
    out = []
    for strategy, source, _ in agenda(known):
        arm = arm_name(strategy, source.name if source else None)
        obstacle = "" if arm in known.outcomes else _obstacle(known, strategy, source)
        if obstacle:
            out.append(Skipped(arm, strategy, obstacle, estimate_of(known, strategy, source)))
    return out


def untried(left_out: Sequence[Skipped]) -> str:
    """The arms left out, in a sentence that gives each reason once; empty for none."""
    by_reason: dict[str, list[str]] = {}
    for arm in left_out:
        by_reason.setdefault(arm.reason, []).append(arm.arm)
    told = "; ".join(f"{', '.join(arms)} ({reason})" for reason, arms in by_reason.items())
    return f"Not tried: {told}." if told else ""


def estimate_of(known: Known, strategy: str, source: Candidate | None) -> float | None:
    """Seconds that an arm is expected to take now: a pass that was made is not made again. None where nothing
    is known."""
    found = known.estimates.get(arm_name(strategy, source.name if source else None))
    if found is None or source is None or strategy not in READERS or source.name not in known.read:
        return found
    return max(0.0, found - known.passes.get(source.name, 0.0))


def _due(known: Known, strategy: str) -> bool:
    """Whether an arm is run in any case: a run ends with the baselines and one source measured at least."""
    return strategy in BASELINES or (strategy == "probe" and not _probed(known))


def _obstacle(known: Known, strategy: str, source: Candidate | None) -> str:
    """Why an arm cannot be started now; empty when it can."""
    if _due(known, strategy):
        return ""
    estimate = estimate_of(known, strategy, source) or 0.0
    if known.left < LEAST:
        return "no time left"
    if strategy in (*READERS, "early-probe") and estimate > known.left:
        return "does not fit in the time left"
    second_way = source is not None and source.second_way
    kept = KEPT_FOR_PROOF if "scratch" in known.allowed and not second_way else 0.0
    if strategy in READERS and estimate > (1 - kept) * known.left:
        return "would leave no time to compare with training from scratch"
    share = CONTROL_SHARE if not _others_ran(known) else 1.0
    if strategy == "random-frozen" and estimate > share * known.left:
        return "would take too large a share of the time left"
    return _too_slow(known, strategy, source) if strategy in ALL_LAYERS else ""


def _others_ran(known: Known) -> bool:
    """Whether what the control would take time from has had its time."""
    ran = {outcome.strategy for outcome in known.outcomes.values()}
    return all(name in ran for name in ("scratch", "finetune") if name in known.allowed)


def _too_slow(known: Known, strategy: str, source: Candidate | None) -> str:
    """That another arm has shown how long training all layers takes, if that is too long: no time is spent on
    measuring it once more. Empty when it is not."""
    name = source.name if source is not None else None
    needed = [
        (outcome.needs, outcome.strategy)
        for outcome in known.outcomes.values()
        if outcome.needs is not None
        and outcome.source == name
        and outcome.strategy in ALL_LAYERS
        and outcome.strategy != strategy
    ]
    most, other = max(needed, default=(0.0, ""))
    if AT_LEAST * most <= known.left:
        return ""
    return f"trains all layers, as {other} does, which would have taken about {words(most)}"


def _probed(known: Known) -> bool:
    return any(o.strategy == "probe" and o.score is not None for o in known.outcomes.values())


def outline(known: Known) -> tuple[list[Step], list[Skipped]]:
    """The whole plan as it looks now, assuming every estimate comes true.

    Sources not probed yet are taken to score in the order given.
    """
    steps: list[Step] = []
    while (step := next_step(known)) is not None:
        steps.append(step)
        took = min(step.seconds, step.estimate if step.estimate is not None else 0.0)
        score = -float(len(steps)) if step.strategy == "probe" else None
        outcome = Outcome(step.strategy, step.source, score)
        made = {step.source} if step.strategy == "probe" and step.source is not None else set()
        outcomes = {**known.outcomes, step.arm: outcome}
        known = replace(known, left=known.left - took, outcomes=outcomes, read=known.read | made)
    return steps, skipped(known)
