"""What a training arm has measured and settled on: kept beside its checkpoints, for a resumed run must not
decide again, and on this machine, for the same command should not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

from headstart.core import environment, fingerprint
from headstart.core.files import write_json
from headstart.core.strategy import Request
from headstart.core.untrusted import Damaged, parsing, read_object
from headstart.store.memo import Memo
from headstart.strategies.gradient import _ladder

D = TypeVar("D")
WORSE, BETTER = 1.35, 2.0
"""How much slower or quicker than in an earlier run of the same command the machine may be for what was
settled on to stay. A plan's margin has room for half of the first; for the rest the last folds make room."""


def once(
    request: Request,
    names: Sequence[str],
    measure: Callable[[], Sequence[float]],
    telling: Sequence[str] = (),
) -> list[Any]:
    """What the clock says and what is tried hangs on, measured once, a number for each name: a process that
    goes on with this arm, in the same time, counts with what the first one has found. So does another run
    of the same command on this machine, where that is about what it measures itself (`alike`, of the
    `telling` names; empty: of all): how long is trained must not differ with every breath of the machine.
    """
    if request.workdir is None:
        return list(measure())
    path = request.workdir / "measured.json"
    key = fingerprint.of_json([_key(request), request.budget.seconds, request.reserve])
    kept = _kept(path, key)
    if not _all_numbers(kept, names):
        found = dict(zip(names, measure(), strict=True))
        if request.asked:
            memo, of = Memo(), [request.asked, _key(request), environment.machine(), *names]
            before = memo.get(f"clock {fingerprint.of_json(of)}", {})
            if _all_numbers(before, names) and alike(found, before, telling or names):
                found = {name: before[name] for name in names}
            else:
                memo[f"clock {fingerprint.of_json(of)}"] = found
        request.workdir.mkdir(parents=True, exist_ok=True)
        kept = {**kept, "key": key, **found}
        write_json(path, kept)
    return [kept[name] for name in names]


def _all_numbers(kept: Mapping[str, Any], names: Iterable[str]) -> bool:
    return all(isinstance(kept.get(name), int | float) for name in names)


def alike(found: Mapping[str, float], before: Mapping[str, float], names: Iterable[str]) -> bool:
    """Whether what an earlier run has measured may stand for what is measured now: it is at most `WORSE`
    times worse, and at most `BETTER` times better (less time left, or more that something takes, is
    worse)."""
    for name in names:
        now, then = (max(float(of[name]), 1e-9) for of in (found, before))
        worse = then / now if name.startswith("left") else now / then
        if not 1 / BETTER <= worse <= WORSE:
            return False
    return True


def paced(request: Request, measure: Callable[[], _ladder.Pace], of: str = "") -> tuple[_ladder.Pace, float]:
    """(pace, seconds left once it is measured), measured once; `of` what, where there are several."""
    names = [*(f"{of}{f.name}" for f in fields(_ladder.Pace)), f"left{of}"]
    telling = [names[0], names[-1]]
    *pace, left = once(request, names, lambda: [*astuple(measure()), request.budget.left], telling)
    return _ladder.Pace(*pace), left


def _kept(path: Path, key: str) -> dict[str, Any]:
    """What a file beside the checkpoints holds; nothing where it is damaged or belongs to something else."""
    try:
        with parsing():
            saved = read_object(path) if path.is_file() else {}
            return saved if saved.get("key") == key else {}
    except (OSError, Damaged):
        return {}


def recall(request: Request, name: str, read: Callable[[dict[str, Any]], D]) -> tuple[D, int] | None:
    """The design (as `read` makes it of its JSON) and the number of folds that an earlier, interrupted run of
    the strategy settled on."""
    if request.workdir is None:
        return None
    saved = _kept(request.workdir / "plan.json", _key(request, name))
    try:
        with parsing():
            return read(saved["design"]), max(int(saved["folds"]), request.folds)
    except Damaged:
        return None


def remember(request: Request, name: str, design: Mapping[str, Any], folds: int) -> None:
    """Keep what was settled on."""
    if request.workdir is not None:
        request.workdir.mkdir(parents=True, exist_ok=True)
        content = {"key": _key(request, name), "design": design, "folds": folds}
        write_json(request.workdir / "plan.json", content)


def _key(request: Request, name: str = "") -> str:
    settings = request.settings.to_json()
    return fingerprint.of_json([name, request.split.fingerprint(), request.digest, request.seed, settings])
