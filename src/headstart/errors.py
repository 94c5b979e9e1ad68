"""Every exception of Headstart. The text is built here: what, where, what was found, what to do.

All of them derive from `HeadstartError`. The command line prints the text as one sentence and
exits with code 2; from Python they are raised as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


def near(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """A clause `; did you mean 'a' or 'b'?`, or nothing when no known name is close."""
    close = get_close_matches(name, list(known), n=most, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


class HeadstartError(Exception):
    """The root: a mistake that can be named and mended. Exit code 2 on the command line."""


def pip(extra: str) -> str:
    """The command that installs an extra; "" is what Headstart itself needs."""
    return f'pip install "headstart[{extra}]"' if extra else "pip install headstart"


class MissingExtra(HeadstartError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, *, extra: str, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs the package {module!r}, which is not installed: {pip(extra)}")


class UnknownName(HeadstartError):
    """A name that no registry, option or file knows."""

    def __init__(self, kind: str, name: str, known: Sequence[str], *, listing: str = "") -> None:
        hint = near(name, known)
        if not hint and known and len(known) <= 20:
            hint = f"; known: {', '.join(known)}"
        if not hint and listing:
            hint = f"; list them with `{listing}`"
        super().__init__(f"no {kind} is called {name!r}{hint}")


class DuplicateName(HeadstartError):
    """Two things were registered under one name."""

    def __init__(self, kind: str, name: str, *, package: str = "") -> None:
        if package:
            text = f"the package {package} brings a {kind} {name!r}, which there is already; uninstall it"
        else:
            text = f"a {kind} called {name!r} is registered already; choose another name"
        super().__init__(text)


class PluginError(HeadstartError):
    """What another package brings cannot be loaded."""

    def __init__(self, kind: str, name: str, package: str, problem: str) -> None:
        super().__init__(
            f"the {kind} {name!r} of the package {package} cannot be loaded ({problem}); update the "
            "package, or uninstall it"
        )


class BadOption(HeadstartError):
    """An option or argument whose value cannot be used."""

    def __init__(self, option: str, found: object, expected: str) -> None:
        super().__init__(f"{option} is {found!r}, but it must be {expected}")


class _AtPath(HeadstartError):
    """What is wrong somewhere on the disk, and what to do."""

    noun = ""

    def __init__(self, path: Path | str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{self.noun}{path}: {problem}" + (f"; {remedy}" if remedy else ""))


class PathError(_AtPath):
    """A path that is missing, of the wrong kind, or may not be read or written."""


class DataError(HeadstartError):
    """Data that cannot be used; `details` holds one line per finding, all of them at once."""

    def __init__(self, where: str, problem: str, remedy: str = "", details: Sequence[str] = ()) -> None:
        self.problem, self.details = problem, tuple(details)
        text = f"{where}: {problem}" + (f"; {remedy}" if remedy else "")
        super().__init__("\n  ".join([text, *self.details]))


class ItemError(HeadstartError):
    """Bytes that are not a usable item; `code` is the finding code that `headstart check` reports."""

    def __init__(self, code: str, problem: str) -> None:
        self.code = code
        self.problem = problem
        super().__init__(f"{problem} ({code})")


class ImageError(ItemError):
    """Bytes that are not a usable image."""


class TextError(ItemError):
    """Bytes that are not a usable text."""


class AudioError(ItemError):
    """Bytes that are not a usable recording."""


class TableError(ItemError):
    """Bytes that are not a usable row of a table."""


class SourceError(HeadstartError):
    """A source model that cannot be found, read, built or trusted."""

    def __init__(self, spec: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"source {spec!r}: {problem}" + (f"; {remedy}" if remedy else ""))


class WeightsMissing(SourceError):
    """The weights are not on this machine and fetching them was not allowed."""

    def __init__(self, spec: str, *, size: str = "size not known before asking") -> None:
        self.spec, self.size = spec, size
        super().__init__(
            spec,
            f"its weights are not on this machine ({size})",
            "allow the download with --download (or HEADSTART_DOWNLOAD=1), "
            "or name a local file with --source file:PATH",
        )


class RankingError(SourceError):
    """Sources that differ in more than the source."""

    def __init__(self, spec: str, how: str, other: str) -> None:
        super().__init__(spec, f"it was measured with {how} {other!r}", "measure both alike to rank them")


class JobError(HeadstartError):
    """What was given to other processes and could not be done there."""

    def __init__(self, job: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{job} failed on a worker: {problem}" + (f"; {remedy}" if remedy else ""))


class StoreError(_AtPath):
    """The feature store cannot be used as asked."""

    noun = "feature store "


class RunError(_AtPath):
    """A run folder that cannot be made, resumed or read."""

    noun = "run "


class BundleError(_AtPath):
    """A saved model that cannot be opened, or that is not what it says it is."""

    noun = "model "


class ExportMismatch(HeadstartError):
    """A saved or exported model gives other answers than the model in memory; nothing was kept."""

    def __init__(self, target: Path | str, worst: float, allowed: float) -> None:
        super().__init__(
            f"{target}: the copy answers differently (largest difference {worst:.3g}, "
            f"allowed {allowed:.3g}), so it was not kept; please report this with the source's name"
        )


class NetError(HeadstartError):
    """A model whose recipe and numbers do not fit together."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(
            f"this model cannot be put together: its {kind!r} network {problem}; "
            "save it again, or fetch it again"
        )


class ExportError(HeadstartError):
    """A model that cannot be expressed in another format; nothing was kept."""

    def __init__(self, target: Path | str, reason: str) -> None:
        super().__init__(
            f"{target}: this network cannot be exported ({reason}); the model itself is whole, "
            "and a bundle (headstart predict) does not need the export"
        )


class FrozenChanged(HeadstartError):
    """Part of a network changed in a training that was to leave it alone; the result is not used."""

    def __init__(self, tensors: int) -> None:
        super().__init__(
            "training changed a part of the network that is frozen "
            f"({tensors} weights and buffers were watched), so its result is not used; "
            "please report this with the source's name"
        )
