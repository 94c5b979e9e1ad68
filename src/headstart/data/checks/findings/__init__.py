"""Findings: what may be wrong with data, under codes that stay the same from version to version."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from headstart.core.source import Levels

Severity = Literal["error", "warning", "note"]
ORDER: tuple[Severity, ...] = ("error", "warning", "note")
SHOWN = 5
"""Findings of one code that are printed; the rest is counted."""


@dataclass(frozen=True)
class Code:
    """A kind of finding: how bad, what it is, and what to do."""

    severity: Severity
    title: str
    remedy: str


_TABLE = tomllib.loads(Path(__file__).with_name("codes.toml").read_text(encoding="utf-8"))
CODES: dict[str, Code] = {code: Code(*said) for code, said in _TABLE.items()}
"""Those of `codes.toml`."""


@dataclass(frozen=True)
class Finding:
    """One thing seen. `row` is the row of the data set, where it is about one item."""

    code: str
    severity: Severity
    where: str
    """The file, row, class or table it is about."""
    message: str
    remedy: str
    row: int | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.where}: {self.message}; {self.remedy}"


def finding(code: str, where: str, message: str = "", row: int | None = None) -> Finding:
    """A finding of a known code; its title when there is no more to say."""
    kind = CODES[code]
    return Finding(code, kind.severity, where, message or kind.title, kind.remedy, row)


@dataclass(frozen=True)
class Report:
    """All findings of a data set, errors first."""

    findings: tuple[Finding, ...]
    items: int
    dropped: tuple[str, ...] = ()
    """Ids of items that were left out because of their errors."""
    digests: tuple[str | None, ...] = field(default=(), repr=False)
    """Content fingerprint of each item; None where it could not be read."""
    levels: Levels | None = None
    """What is black and white in its pictures of more than 8 bits, as it was given or found; None: by their
    type."""

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == severity)

    @property
    def errors(self) -> tuple[Finding, ...]:
        return self.of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return self.of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        return self.of("note")

    @property
    def bad_rows(self) -> tuple[int, ...]:
        """Rows with an error, in order: what `drop_bad` leaves out."""
        return tuple(sorted({f.row for f in self.errors if f.row is not None}))

    def with_dropped(self, ids: Sequence[str]) -> Report:
        """The same report, saying that these items were left out."""
        said = [finding("HS507", name, "left out because of its errors") for name in ids]
        return replace(self, findings=(*self.findings, *said), dropped=(*self.dropped, *ids))

    def with_more(self, more: Sequence[Finding]) -> Report:
        """The same report with findings added."""
        ordered = sorted((*self.findings, *more), key=lambda f: ORDER.index(f.severity))
        return replace(self, findings=tuple(ordered))

    def lines(self, least: Severity = "note") -> list[str]:
        """Text for people: findings at least that severe, grouped by code; the first few of each."""
        return lines(self.findings, least)

    def grouped(self, severity: Severity) -> list[str]:
        """The lines of one severity alone."""
        return _grouped(self.of(severity))

    def to_json(self) -> dict[str, Any]:
        """Everything, for other programs."""
        return {
            "items": self.items,
            **{f"{severity}s": len(self.of(severity)) for severity in ORDER},
            "findings": [asdict(f) for f in self.findings],
            "dropped": list(self.dropped),
        }


def lines(findings: Sequence[Finding], least: Severity = "note") -> list[str]:
    """Text for people: those at least that severe, grouped by code; the first few of each."""
    severities = ORDER[: ORDER.index(least) + 1]
    return [line for s in severities for line in _grouped([f for f in findings if f.severity == s])]


def _grouped(of: Sequence[Finding]) -> list[str]:
    codes = sorted({f.code for f in of})
    return [line for code in codes for line in _group([f for f in of if f.code == code])]


def _group(same: list[Finding]) -> list[str]:
    if len(same) == 1:
        return [str(same[0])]
    kind = CODES[same[0].code]
    told = {kind.title} | ({same[0].message} if len({one.message for one in same}) == 1 else set())
    title = ": ".join(sorted(told, key=lambda text: text != kind.title))
    lines = [f"{same[0].code} {len(same):,} times: {title}; {kind.remedy}"]
    for one in same[:SHOWN]:
        lines.append(f"      {one.where}" + (f": {one.message}" if one.message not in told else ""))
    if len(same) > SHOWN:
        lines.append(f"      and {len(same) - SHOWN:,} more")
    return lines
