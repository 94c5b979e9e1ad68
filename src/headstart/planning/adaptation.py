"""Whether to adapt, and how: rules over what is known without labels of the target. Pure.

Published adapters are mostly chosen by target labels that nobody has; chosen honestly, adaptation often
makes things worse. So nothing is adapted but on evidence, and what is said names the rule that decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from headstart.strategies import adapt
from headstart.strategies.adapt.assess import CLOSE, Assessed, Shift

AUC, VARIATION = 0.60, 0.10
"""(a) Domain AUC whose interval, and total variation between class shares, that say there is a shift at
all."""
KEPT = CLOSE
"""(b) What circular validation may fall by. That it rises is not asked for: linear adapters that lost 15
points rose in it, and clusters that won 35 fell."""
LOST, TRUSTED = 0.25, 0.85
"""(c) Least part of its share that a class must keep; domain AUC up to which shares are those of MLLS, and
not of the source: what a model says of items unlike its own is no estimate."""
DROP = 0.02
"""(d) What held-out source accuracy may fall by, beside one standard error."""
AGREE, CHANCE = 0.02, 3.0
"""(f) By how much the agreement of two halves of the features must rise, and above how many standard errors
of chance it must lie: circular validation alone is fooled by a target without any classes, from which
whatever was said comes back."""
CLUSTERED = 3.0
"""(f) Standard deviations by which the target's items must form clusters better than noise of the same
covariance, on which two halves agree as far as columns are correlated."""
MANY, STRONG = 5, 0.05
"""Classes from which a refit on clusters is believed where the agreement rises by so much, whatever comes
back: with fewer both halves find the same clusters of something else."""
SURER = 3.0
"""(f) Of a trained network: standard deviations by which answers must be surer than those for noise. Its
answers must also agree with those of another network, as two halves of the features must."""
DOUBTED = {"subspace": "41%", "entropic": "47%"}
"""(g) Adapters that labels of the target must speak for, and in how many of the 51 pairs of SKADA-Bench they
lost more than a point."""
TRAINED = ("shot", "mcc")
"""Adapters that train the network, cheapest first."""
FAR, ENOUGH, SPARE = 0.85, 20, 0.5
"""They are tried where a shallow one was accepted or the domain AUC is above that, with so many target
items a class, and while that share of the time is left."""
HARM = "on public data even the best such choice loses more than 1 point in about 1 of 12 cases"
"""Base rate of harm, printed with every verdict (51 shift pairs of SKADA-Bench)."""


@dataclass(frozen=True)
class Check:
    """One rule, held against one adapter."""

    rule: Literal["a", "b", "c", "d", "e", "f", "g"]
    passed: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """What is to be done, and why."""

    decision: Literal["adapted", "kept"]
    adapter: str
    reason: str
    gain: tuple[float, float, float] | None = None
    """(value, low, high) that is expected: of the agreement of two halves of the features, or of a trained
    network and another one, or of reweighted source rows in accuracy; None where nothing is adapted."""
    checks: dict[str, tuple[Check, ...]] | None = None
    """By adapter."""

    def to_json(self) -> dict[str, Any]:
        gain = None if self.gain is None else dict(zip(("value", "low", "high"), self.gain, strict=True))
        checks = {name: [asdict(one) for one in found] for name, found in (self.checks or {}).items()}
        return {
            "decision": self.decision,
            "adapter": self.adapter,
            "reason": self.reason,
            "expected_gain": gain,
            "checks": checks,
        }


def decide(shift: Shift, pool: Sequence[Assessed], labels: Sequence[str] = ()) -> Decision:
    """Of the pool, which holds "none", the adapter that passes every rule and whose halves agree best; or a
    trained network that passes, where circular validation rises more. `labels` are those of the classes, for
    the sentences."""
    base = next(one for one in pool if one.adapter == adapt.NONE)
    others = [one for one in pool if one.adapter != adapt.NONE and not one.refused]
    checks = {one.adapter: _checks(shift, base, one, labels) for one in others}
    passed = [one for one in others if all(check.passed for check in checks[one.adapter])]
    if not passed:
        reason = _kept(shift, others, checks) if others else _untried(pool)
        return Decision("kept", adapt.NONE, reason, checks=checks)
    able = [one for one in passed if not _shares_only(one)]
    if not able:
        chosen, gain = passed[0], base.reweighted
    else:
        halved = sorted((one for one in able if not one.base), key=lambda one: -one.agreement[0])
        able = [*halved[:1], *(one for one in able if one.base)]
        back = {one.adapter: one.circular - _theirs(base, one)[0] for one in able}
        near = [one for one in able if back[one.adapter] >= max(back.values()) - CLOSE]
        chosen = max(near, key=lambda one: one.bnm)
        gain = _gained(base, chosen)
    passes = "; ".join(check.text for check in checks[chosen.adapter])
    return Decision("adapted", chosen.adapter, f"{_titled(chosen.adapter)}: {passes}; {HARM}", gain, checks)


def may_train(shift: Shift, decision: Decision, items: int) -> bool:
    """Whether adapters that train the network are worth their time, of so many target items."""
    near = decision.decision == "kept" and shift.auc <= FAR
    return not near and items >= ENOUGH * len(shift.source)


def overridden(decision: Decision, adapter: str, items: int, gain: tuple[float, float, float]) -> Decision:
    """(e) What labels of the target say of an adapter against no adaptation, which is the only real
    evidence: `gain` is the paired difference (value, low, high) on so many items."""
    value, low, high = gain
    better = low > 0
    text = (
        f"on {items:,} labelled items of the target {_titled(adapter)} gains {_points(value)} points "
        f"({_points(low)} to {_points(high)})"
    )
    checks = {**(decision.checks or {})}
    checks[adapter] = (*checks.get(adapter, ()), Check("e", better, text))
    if better:
        return Decision("adapted", adapter, f"{text}; labels of the target decide", gain, checks)
    return Decision("kept", adapt.NONE, f"do not adapt: {text}; labels of the target decide", checks=checks)


def _shares_only(one: Assessed) -> bool:
    return adapt.facts(one.adapter).mends == ("shares",)


def _titled(name: str) -> str:
    return adapt.facts(name).title or name


def _checks(shift: Shift, base: Assessed, one: Assessed, labels: Sequence[str]) -> tuple[Check, ...]:
    found = (
        _told(shift), _circular(shift, base, one), _hangs_together(shift, base, one),
        _classes(shift, base, one, labels), _source(base, one),
    )  # fmt: skip
    if one.adapter not in DOUBTED:
        return found
    lost = f"it lost more than a point in at least {DOUBTED[one.adapter]} of 51 public pairs"
    return (*found, Check("g", False, f"{lost}: only labels decide for it"))


def _shares_differ(shift: Shift) -> bool:
    return shift.variation > VARIATION and shift.variation_low > 0


def _shifted(shift: Shift) -> bool:
    return shift.auc_low > AUC or _shares_differ(shift)


def _only_shares(shift: Shift) -> bool:
    """Whether nothing but how frequent the classes are has changed."""
    return _shares_differ(shift) and shift.alike < AUC and shift.apart <= VARIATION


def _told(shift: Shift) -> Check:
    if shift.auc_low > AUC:
        return Check(
            "a", True, f"the domains are told apart (AUC {shift.auc:.2f}, at least {shift.auc_low:.2f})"
        )
    if _shifted(shift):
        text = (
            f"an estimated {shift.variation:.0%} of the items are of other classes "
            f"(at least {shift.variation_low:.0%})"
        )
        return Check("a", True, text)
    text = (
        f"the domains are hardly told apart (AUC {shift.auc:.2f}, from {shift.auc_low:.2f}; more than "
        f"{AUC:.2f} is asked for), and the classes are about as frequent"
    )
    return Check("a", False, text)


def _circular(shift: Shift, base: Assessed, one: Assessed) -> Check:
    if _shares_only(one):
        value, low, high = base.reweighted
        held = f"reweighted source rows gain {_points(value)} points ({_points(low)} to {_points(high)})"
        if not _only_shares(shift):
            alike = (
                f"the domains differ in more than class shares (AUC {shift.alike:.2f} with these alike), or "
                f"these are not known well (two estimates are {shift.apart:.0%} apart)"
            )
            return Check("b", False, alike if _shifted(shift) else held)
        return Check("b", low > 0, held)
    theirs = _theirs(base, one)[0]
    text = f"there and back it keeps {one.circular:.2f} of the source's classes instead of {theirs:.2f}"
    return Check("b", _found(base, one) or one.circular >= theirs - KEPT, text)


def _theirs(base: Assessed, one: Assessed) -> tuple[float, ...]:
    """What no adaptation keeps there and back by the way back of `one`, and in each part."""
    return one.base or (base.circular, *base.again)


def _risen(base: Assessed, one: Assessed) -> float:
    return one.agreement[0] - base.agreement[0]


def _found(base: Assessed, one: Assessed) -> bool:
    """Whether clusters were found that are the classes."""
    return one.itself and len(one.said) >= MANY and _risen(base, one) >= STRONG


def _hangs_together(shift: Shift, base: Assessed, one: Assessed) -> Check:
    if _shares_only(one):  # these are the answers of the source's head, that its own items stand for
        return Check("f", True, "nothing but biases changes")
    if shift.clustered < CLUSTERED:
        text = (
            f"the target's items form clusters no better than noise of the same spread "
            f"({shift.clustered:+.1f} standard deviations; {CLUSTERED:.0f} are asked for)"
        )
        return Check("f", False, text)
    if one.base and one.surer < SURER:
        by = f"{one.surer:+.1f} standard deviations"
        return Check("f", False, f"its answers are no surer than those for noise of the same spread ({by})")
    both = "it and another network" if one.base else "two halves of the features"
    ours, theirs = one.agreement[0], (one.beside or base.agreement)[0]
    text = f"{both} agree on the target by {ours:.2f} (kappa) instead of {theirs:.2f}"
    chance = CHANCE / max(one.items, 1) ** 0.5
    if ours < chance:
        return Check("f", False, f"{text}, which is no more than chance ({chance:.2f})")
    return Check("f", ours >= theirs + AGREE, text)


def _classes(shift: Shift, base: Assessed, one: Assessed, labels: Sequence[str]) -> Check:
    wanted = shift.shares if shift.auc <= TRUSTED else shift.source
    for number, (said, share) in enumerate(zip(one.said, wanted, strict=True)):
        if share > 0 and said < LOST * share:
            name = repr(labels[number]) if labels else f"class {number + 1}"
            return Check("c", False, f"{name} is all but lost ({said:.1%} instead of about {share:.1%})")
    if _shares_only(one):
        moved = _moved(base, one, labels)
        return Check("c", not moved, moved or "every class keeps a share")
    most, own = max(zip(base.said, shift.source, strict=True))
    if 1 - most < LOST * (1 - own):
        text = f"without adaptation {most:.1%} are of one class: whether others are missing is not told"
        return Check("c", False, text)
    if shift.auc <= TRUSTED and shift.apart <= VARIATION:
        other = sum(abs(said - share) for said, share in zip(one.said, wanted, strict=True)) / 2
        if other > VARIATION:
            text = f"{other:.0%} of its answers are of other classes than two estimates of their shares allow"
            return Check("c", False, text)
    outside = sum(
        max(low - said, said - high, 0.0) for said, low, high in zip(one.said, one.low, one.high, strict=True)
    )
    if outside > VARIATION:
        return Check("c", False, f"{outside:.0%} of its answers are outside of the classes' estimated shares")
    return Check("c", True, "every class keeps its share")


def _moved(base: Assessed, one: Assessed, labels: Sequence[str]) -> str:
    """Which share the answers that heed the estimated ones do not lead to again, as they do where nothing but
    shares has changed; empty for none."""
    estimates = zip(base.low, base.high, one.low, one.high, strict=True)
    for number, (low, high, least, most) in enumerate(estimates):
        if least > high or most < low:
            name = repr(labels[number]) if labels else f"class {number + 1}"
            found = f"{least:.1%} to {most:.1%} of {name}, and not {low:.1%} to {high:.1%}"
            return f"its answers lead to other shares again ({found})"
    return ""


def _source(base: Assessed, one: Assessed) -> Check:
    own = ", taken as a target," if one.itself else ""
    text = f"on held-out source items{own} it has {one.source:.2f} instead of {base.source:.2f}"
    error = (base.source * (1 - base.source) / max(base.held, 1)) ** 0.5
    may = max(DROP + error, _risen(base, one)) if _found(base, one) else DROP + error
    return Check("d", one.source >= base.source - may, text)


def _kept(shift: Shift, others: Sequence[Assessed], checks: dict[str, tuple[Check, ...]]) -> str:
    told = _told(shift)
    if not told.passed:
        return f"do not adapt: no evidence that it would help; {told.text}"
    best = max(others, key=lambda one: (sum(c.passed for c in checks[one.adapter]), one.circular))
    why = next(check.text for check in checks[best.adapter] if not check.passed)
    name = _titled(best.adapter)
    return f"do not adapt: no evidence that it would help; {told.text}; {name}, the nearest to it: {why}"


def _untried(pool: Sequence[Assessed]) -> str:
    why = list(dict.fromkeys(one.refused for one in pool if one.refused))
    return f"do not adapt: no adapter was tried ({'; '.join(why) or 'there is none'})"


def _gained(base: Assessed, one: Assessed) -> tuple[float, float, float]:
    """What is won in agreement; its interval by the jackknife over the fifths (t with 4 degrees of
    freedom)."""
    others = one.beside or base.agreement
    value, *found = (ours - theirs for ours, theirs in zip(one.agreement, others, strict=True))
    mean, count = sum(found) / len(found), len(found)
    reach = 2.776 * ((count - 1) / count * sum((each - mean) ** 2 for each in found)) ** 0.5
    return value, value - reach, value + reach


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
