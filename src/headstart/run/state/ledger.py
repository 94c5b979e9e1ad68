"""What a run has decided, and what its finished steps took: kept in its folder, so that neither changes when
it is killed and resumed.

run.json, "ledger": `budget`; `aim`, what was wanted beside it (`RunConfig.aim`); `spent`, the seconds on
the account when the last step ended (of a step that a kill cut short only the folds that it had finished are
counted, for the rest is made again); `steps`, each with the time it was given and the reason, in the order in
which they were decided; `ended`, whether the plan was at its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headstart.core.budget import Budget
from headstart.core.untrusted import field
from headstart.planning.seen import Step
from headstart.run.state.folder import RunFolder, sound

TELLING = 1.0
"""Seconds that a step must have been expected to take for the pace to be learnt from it."""
MOST = 3.0
"""How much slower or quicker than at the beginning is believed."""


class Ledger:
    """The account of one run. Its budget begins where an earlier process left off."""

    def __init__(
        self,
        folder: RunFolder,
        seconds: float,
        started: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        aim: str = "",
    ) -> None:
        kept = _kept(folder)
        self._folder = folder
        self.earlier: float | None = kept.get("budget")
        """The budget of the process before this one."""
        same = self.earlier == seconds and kept.get("aim", "") == aim
        self._aim = aim
        self.steps: list[dict[str, Any]] = list(kept.get("steps", ())) if same else []
        self.ended = same and bool(kept.get("ended"))
        """Whether the plan was at its end: nothing more is run."""
        self._resumed = False
        self.pace = 1.0
        """How often their time at the beginning steps take now: other programs come and go."""
        for step in self.steps:
            self._learn(step)
        # what this process took to come here again is nobody's: the account has it once
        spent, start = (float(kept["spent"]), clock()) if kept else (0.0, started)
        self.budget = Budget(seconds, clock, start, spent)
        self._write()

    def begin(self, step: Step) -> Step:
        """Note a step before it is run; one that a kill cut short is given what it was given then."""
        self._resumed = (
            bool(self.steps) and "took" not in self.steps[-1] and self.steps[-1]["arm"] == step.arm
        )
        if self._resumed:
            return replace(step, seconds=float(self.steps[-1]["seconds"]), folds=int(self.steps[-1]["folds"]))
        entry = {name: getattr(step, name) for name in ("arm", "seconds", "folds", "part", "reason")}
        entry["predicted"] = step.predicted
        self.steps.append({**entry, "left": round(self.budget.left, 3)})
        self._write()
        return step

    def end(self, seconds: float, worth: float = 0.0, predicted: float | None = None) -> None:
        """Note that the last step is finished, after so many seconds; what of it an earlier process had done
        makes it `worth` more. `predicted` is what it said that it takes, once it had measured its pace."""
        if predicted is not None:
            self.steps[-1]["predicted"] = predicted
        if self._resumed and worth > seconds:
            self.budget = replace(self.budget, before=self.budget.before + worth - seconds)
            seconds = worth
        self.steps[-1]["took"] = seconds
        self._learn(self.steps[-1])
        self._write()

    def _learn(self, step: Mapping[str, Any]) -> None:
        """Half of what a finished step was off by, if it is one that tells."""
        predicted, took = step.get("predicted") or 0.0, step.get("took") or 0.0
        if predicted >= TELLING and took > 0:
            self.pace = min(MOST, max(1 / MOST, self.pace * (took / predicted) ** 0.5))

    def close(self) -> None:
        """Note that the plan is at its end."""
        self.ended = True
        self._write()

    def _write(self) -> None:
        account = {
            "budget": self.budget.seconds,
            "aim": self._aim,
            "spent": self.budget.spent,
            "steps": self.steps,
            "ended": self.ended,
        }
        self._folder.write({**self._folder.read(), "ledger": account})


def _kept(folder: RunFolder) -> dict[str, Any]:
    """The account that an earlier process has left; empty where there is none. Raises `RunError`."""
    with sound(folder.path, "run.json", "choose another --out"):
        kept = dict(folder.read().get("ledger") or {})
        for name in ("budget", "spent") if kept else ():
            field(kept, name, float)
        for step in kept.get("steps", ()):
            field(step, "arm", str)
            field(step, "seconds", float)
            field(step, "folds", int)
            for name in {"predicted", "took"} & step.keys():
                field(step, name, float, empty=True)
        return kept
