"""Findings: what may be wrong with data, under codes that stay the same from version to version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
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


CODES: dict[str, Code] = {
    # the item cannot be used
    "HS101": Code("error", "cannot be read", "mend the path or the permissions, or drop it (--drop-bad)"),
    "HS102": Code("error", "empty", "fetch it again or fill it, or drop it (--drop-bad)"),
    "HS103": Code("error", "not an image", "remove it, or drop it (--drop-bad)"),
    "HS104": Code("error", "truncated or damaged", "fetch it again, or drop it (--drop-bad)"),
    "HS105": Code("error", "too large to decode safely", "make it smaller, or drop it (--drop-bad)"),
    "HS106": Code("error", "not a text", "remove it, or drop it (--drop-bad)"),
    "HS107": Code("error", "values whose white is not known", "say it: --white 4095, or --white -1024:3071"),
    "HS108": Code("error", "values that are no numbers", "fix them, or drop the item (--drop-bad)"),
    "HS109": Code("error", "a kind of file that is not read", "or drop it (--drop-bad)"),
    "HS110": Code("error", "not a recording", "remove it, or drop it (--drop-bad)"),
    "HS111": Code("error", "values beyond full scale", "divide by it (16 bits: 32768), or drop it"),
    # the item is used; this is how
    "HS201": Code("warning", "a single pixel", "look whether it is a placeholder; remove it if so"),
    "HS202": Code("warning", "very long (over 10 : 1)", "most of it is cut away: cut it up, or pad it"),
    "HS203": Code("note", "several frames", "only the first is used"),
    "HS204": Code("note", "CMYK colours", "converted to RGB"),
    "HS205": Code("note", "transparent", "laid on white"),
    "HS206": Code("note", "more than 8 bits a channel", "scaled to 8 bits"),
    "HS207": Code("note", "palette colours", "converted to RGB"),
    "HS208": Code("note", "rotated by its EXIF orientation", "turned upright"),
    "HS209": Code("warning", "one colour all over", "look whether it is a placeholder; remove it if so"),
    "HS210": Code("warning", "white was found out", "say otherwise with --white, such as --white 65535"),
    "HS211": Code("warning", "the white point does not fit", "say another with --white"),
    "HS212": Code("warning", "not UTF-8, or garbled", "save it as UTF-8; what is garbled stays so"),
    "HS213": Code("note", "longer than the source reads", "the rest is not read: a source may read more"),
    "HS214": Code("warning", "texts in several languages", "name a source that knows them all, or keep one"),
    "HS215": Code("warning", "words that the source does not know", "they are left out: try another source"),
    "HS216": Code("warning", "one text of the pair is empty", "mend it, or leave the pair out"),
    "HS217": Code("note", "texts that begin or end alike", "nothing, or cut it off: it takes up room"),
    "HS218": Code("warning", "files of a kind that is not read", "save them as JPEG, PNG, FLAC or WAV"),
    "HS219": Code("warning", "silence", "look whether it is a placeholder; remove it if so"),
    "HS220": Code("warning", "clipped", "record it again more quietly if you can: peaks are lost"),
    "HS221": Code("warning", "very short", "look whether it was cut by mistake"),
    "HS222": Code("note", "several channels", "mixed down to one"),
    "HS223": Code("note", "recordings of several rates", "all are resampled: no class should have its own"),
    # labels
    "HS301": Code("warning", "no labels", "to learn, name a label column or sort into folders"),
    "HS302": Code("warning", "label missing", "label it; until then it is left out"),
    "HS303": Code("error", "nothing to tell apart", "add items of at least one other class"),
    "HS304": Code("error", "class with fewer than 2 items", "add items, or drop the class (--drop-bad)"),
    "HS305": Code("warning", "class with few items", "add items: its accuracy will be very uncertain"),
    "HS306": Code(
        "warning", "classes of very different size", "judge by balanced accuracy (--metric balanced-accuracy)"
    ),
    "HS307": Code("error", "label only in the test part", "mend it, or move items to the training part"),
    "HS308": Code("warning", "label not in every part", "look whether the parts were made by mistake"),
    "HS309": Code("warning", "labels that differ by case or blanks", "write alike what means the same"),
    "HS310": Code("note", "how the labels were read", "say otherwise with task"),
    "HS311": Code("warning", "label that no item has", "leave it out of the list of labels"),
    "HS312": Code("warning", "a mark gives the label away", "take it out, unless new texts have it too"),
    "HS313": Code("warning", "numbers give the label away", "take them out, unless new texts have them too"),
    "HS314": Code("note", "rows in the order of their classes", "nothing: they are shuffled before any use"),
    "HS315": Code("warning", "words read as no label", 'where it is a class, say --missing "" or --labels'),
    "HS316": Code("warning", "words among numbers", "write numbers; for classes say --task classification"),
    "HS318": Code("warning", "cells like several labels", "say --task multilabel, or else classification"),
    "HS319": Code("warning", "labels that look alike", "write alike what means the same"),
    "HS320": Code("warning", "a number far from all others", "look whether it is meant: it weighs a lot"),
    "HS321": Code("warning", "a mark for missing, it seems", "if it is, say --missing, or empty the cell"),
    "HS322": Code("note", "two spellings of one label", "nothing, unless two are meant: say so with labels"),
    # duplicates and groups
    "HS401": Code("note", "exact duplicates", "kept on one side of every fold"),
    "HS402": Code("warning", "near-duplicates across parts", "the test score is optimistic: keep one side"),
    "HS403": Code("warning", "same item, different labels", "keep the one with the right label"),
    "HS404": Code("warning", "same item in training and test", "the test score is optimistic: remove one"),
    "HS405": Code("note", "near-duplicates", "kept on one side of every fold"),
    "HS406": Code("warning", "group in training and test", "the test score is optimistic: keep one side"),
    "HS407": Code("error", "no item can be held out", "give each class items of at least two groups"),
    "HS408": Code("warning", "never held out", "add items of other groups: no score is about it"),
    "HS409": Code("warning", "items that are never held out", "no score is about them; see HS408"),
    "HS410": Code("warning", "one class alone is held out", "add groups in which there are others"),
    "HS411": Code("warning", "very few groups", "add groups: no verdict is given on so few"),
    "HS412": Code("warning", "label in one group", "add items of other groups: its score is chance"),
    # files
    "HS501": Code("note", "hidden or system files", "ignored"),
    "HS502": Code("warning", "empty folder", "fill it or remove it; it is no class"),
    "HS503": Code("note", "names beyond ASCII", "nothing: they are fine here, but other tools may stumble"),
    "HS504": Code("note", "files left out", "nothing, unless they were meant to be items"),
    "HS505": Code("warning", "items in no class folder", "move them into one to give them a label"),
    "HS506": Code("note", "columns", "name others with --text-column, --path-column, --label-column, ..."),
    "HS507": Code("note", "dropped", "fix them to use them"),
    "HS508": Code("warning", "texts not read", "choose with --text-column, and --pair-column for pairs"),
    "HS509": Code("note", "how a table was read", "nothing, unless it was meant otherwise"),
    "HS510": Code("warning", "part of a table not read", "if it has a row, save the rows alone"),
    "HS511": Code("error", "no item can be read", "mend the paths: they are relative to what names them"),
    "HS512": Code("note", "items from outside the data", "nothing, if you trust what names them"),
    "HS513": Code("note", "folders inside of class folders", "to have classes of them, use a table of paths"),
    "HS514": Code("warning", "a folder that is there twice", "copy its files if it is a class of its own"),
    "HS515": Code("warning", "looks like a split, not read", "if it is one, write train, val or test in it"),
}  # fmt: skip


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
