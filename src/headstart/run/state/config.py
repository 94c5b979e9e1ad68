"""One call of `fit` or `plan`: what command line, Python, record and "the command again" are made from."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

from headstart import strategies
from headstart.cluster import ON
from headstart.core.budget import parse_passes, parse_seconds
from headstart.core.files import write_json
from headstart.core.strategy import Settings
from headstart.data.reading import Reading, levels_of, white_text
from headstart.errors import BadOption, UnknownName
from headstart.passes.engines import AUTO, ENGINES
from headstart.planning import seen
from headstart.sources.files.paths import with_path

READING = tuple(one.name for one in fields(Reading) if one.name not in ("items_only", "known"))
SETTINGS = tuple(one.name for one in fields(Settings))
SOURCE_SHARE = 0.7
"""Of the budget, where the model is then to be adapted to a target."""
BY_DOMAIN = "domain"
"""What `split` says where each fold is to hold out one domain."""
BUDGETS = {seen.FAST: 600.0, seen.BALANCED: 600.0, seen.BEST: 2400.0}
"""Seconds where no budget is given, by quality."""


@dataclass(frozen=True)
class RunConfig:
    """The options, as the user gave them; every other form of them is made from this one."""

    data: Any
    sources: tuple[str, ...] = ()
    budget: float = 600.0
    """Seconds; infinite while `passes` say it, and how long one takes is not measured yet."""
    passes: float | None = None
    """The budget in passes of the slowest source over the items."""
    quality: str = seen.BALANCED
    """One of `planning.seen.QUALITIES`."""
    until: float | None = None
    """Held-out value of the metric at which the run stops."""
    out: Path | None = None
    seed: int = 0
    settings: Settings = Settings()
    engine: str = AUTO
    """What computes the passes: a name in `headstart.passes.engines`, or the best of a trial."""
    on: str = ""
    """Where workers are that share the passes: a name in `headstart.cluster.ON`; empty: none."""
    metric: str | None = None
    """By what the task is judged; None: by its default."""
    split: str = ""
    """`BY_DOMAIN`, or nothing."""
    target: Any = None
    """Items of where the model will be used, as `headstart.load` reads them; None: an unlabelled domain of
    the data, if there is one."""
    retain: Any = None
    """Labelled items of what the source can do already, of which a model that ships may not lose much."""
    strategies: tuple[str, ...] = ()
    """Only these (and the two baselines that cost nothing); empty: all."""
    drop_bad: bool = False
    download: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Options of `headstart.data.load`: columns, task, labels."""

    @classmethod
    def of(cls, data: Any, options: Mapping[str, Any]) -> RunConfig:
        """Keyword arguments of `headstart.fit`; None stands for one that was not given.

        Raises `UnknownName` for one that does not exist, `BadOption` for a value that cannot be used.
        """
        plain = {one.name for one in fields(cls)} - {"data", "settings", "reading", "passes"}
        for name in options:
            if name not in plain and name not in READING and name not in SETTINGS:
                raise UnknownName("option", name, [*sorted(plain), *READING, *SETTINGS])
        given = {name: value for name, value in options.items() if value is not None}
        quality, until = given.get("quality", seen.BALANCED), given.get("until")
        if quality not in seen.QUALITIES:
            raise BadOption("--quality", quality, "one of " + ", ".join(seen.QUALITIES))
        seed, budget = given.get("seed", 0), given.get("budget", BUDGETS[quality])
        if not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise BadOption("seed", seed, "a whole number from 0 to 4294967295")
        if not isinstance(budget, str | float | int) or (
            not isinstance(budget, str) and not 0 < budget < inf
        ):
            raise BadOption("budget", budget, "a number of seconds, or a time such as '10min' or '3passes'")
        passes = parse_passes(budget) if isinstance(budget, str) else None
        if until is not None and (not isinstance(until, float | int) or not isfinite(until)):
            raise BadOption("--until", until, "a value of the metric, such as 0.95")
        if given.get("split", BY_DOMAIN) != BY_DOMAIN:
            raise BadOption("--split", given["split"], f'"{BY_DOMAIN}": each fold holds out one domain')
        engine = given.get("engine", AUTO)
        if engine != AUTO and engine not in ENGINES:
            raise BadOption("--engine", engine, f"{AUTO}, {', '.join(ENGINES)}")
        if given.get("on", "ray") not in ON:
            raise BadOption("--on", given["on"], f"one of {', '.join(ON)}")
        config = cls(
            data=data,
            sources=_several(given.get("sources", ())),
            budget=inf if passes else parse_seconds(budget) if isinstance(budget, str) else float(budget),
            passes=passes,
            quality=quality,
            until=None if until is None else float(until),
            out=Path(given["out"]) if "out" in given else None,
            seed=seed,
            settings=Settings(**{name: given[name] for name in SETTINGS if name in given}),
            engine=engine,
            on=given.get("on", ""),
            metric=given.get("metric"),
            split=given.get("split", ""),
            target=_as_kept("target", given.get("target")),
            retain=_as_kept("retain", given.get("retain")),
            strategies=_several(given.get("strategies", ())),
            drop_bad=bool(given.get("drop_bad")),
            download=bool(given.get("download")),
            reading={name: _as_kept(name, given[name]) for name in READING if name in given},
        )
        if config.on and not (config.from_path and set(config.written()) == set(config.reading)):
            raise BadOption(
                "--on", config.on, "left out for data that do not lie at a path, for a worker reads them"
            )
        return config

    def with_target(self) -> RunConfig:
        """With the part of the budget that finding a model by the source may take where there is a target."""
        passes = None if self.passes is None else SOURCE_SHARE * self.passes
        return replace(self, budget=SOURCE_SHARE * self.budget, passes=passes)

    def measured(self, passes: Mapping[str, float]) -> RunConfig:
        """With the budget in seconds, once it is known how long a pass of each source takes."""
        if self.passes is None or not passes:
            return self
        return replace(self, budget=self.passes * max(passes.values()))

    @property
    def time(self) -> str:
        """The budget, as `--budget` reads it."""
        return f"{self.budget:g}s" if self.passes is None else f"{self.passes:g}passes"

    @property
    def aim(self) -> str:
        """What is wanted beside the budget; empty for what is by default."""
        stop = "" if self.until is None else f" until {self.until:g}"
        return ("" if self.quality == seen.BALANCED else self.quality) + stop

    def allowed(self) -> frozenset[str] | None:
        """The strategies of this run; None: all. Raises `BadOption` for an unknown one."""
        for name in self.strategies:
            if name not in strategies.STRATEGIES:
                raise BadOption("--strategy", name, f"one of {', '.join(strategies.STRATEGIES)}")
        cheap = (one.name for one in strategies.every("floor", "simple"))
        return frozenset({*self.strategies, *cheap}) if self.strategies else None

    @property
    def from_path(self) -> bool:
        """Whether the data lie at a path, and can be read again."""
        return isinstance(self.data, str | Path)

    def written(self) -> dict[str, str | list[str]]:
        """The options on how data are read that can be written down: not labels, and items without any, that
        are data themselves."""
        found: dict[str, str | list[str]] = {}
        for name, value in self.reading.items():
            if name == "unlabelled":
                if isinstance(value, str):
                    found[name] = absolute(value)
                continue
            if name == "labels" and not self.from_path:
                continue
            if isinstance(value, str):
                found[name] = value
            elif isinstance(value, Iterable):
                found[name] = list(map(str, value))
        return found

    def command(self, folder: Path) -> str:
        """The command line that makes the run of this folder again, from any other.

        A label map given in Python is written beside the run.
        """
        folder = folder.resolve()
        data = absolute(str(self.data)) if self.from_path else "DATA"
        parts = ["headstart", "fit", data, "--seed", str(self.seed), "--budget", self.time]
        parts += ["--quality", self.quality] if self.quality != seen.BALANCED else []
        parts += ["--until", f"{self.until:g}"] if self.until is not None else []
        parts += [_flag(name) for name in ("drop_bad", "download") if getattr(self, name)]
        for spec in self.sources:
            parts += ["--source", with_path(spec, lambda path: str(Path(path).expanduser().resolve()))]
        parts += ["--engine", self.engine] if self.engine != AUTO else []
        parts += ["--on", self.on] if self.on else []
        parts += ["--metric", self.metric] if self.metric is not None else []
        parts += ["--split", self.split] if self.split else []
        parts += ["--target", absolute(self.target)] if isinstance(self.target, str) else []
        parts += ["--retain", absolute(self.retain)] if isinstance(self.retain, str) else []
        for name in self.strategies:
            parts += ["--strategy", name]
        for name in SETTINGS:
            value = getattr(self.settings, name)
            if isinstance(value, Mapping):
                kept = folder / "label-map.json"
                write_json(kept, value)
                parts += [_flag(name), str(kept)]
            elif value is not None:
                parts += [_flag(name), str(value)]
        for name, one in self.written().items():
            if name != "name":  # which no option gives
                parts += [part for each in _several(one) for part in (_flag(name), each)]
        return shlex.join([*parts, "--out", str(folder)])


def absolute(origin: str) -> str:
    """Where the data is, from wherever one looks; what is no path stays as it is."""
    return str(Path(origin).resolve()) if origin and Path(origin).exists() else origin


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _as_kept(name: str, value: Any) -> Any:
    """What an option says as the record of a run holds it: a white point in text."""
    if isinstance(value, Path):
        return str(value)
    levels = levels_of(value) if name == "white" else None
    return value if levels is None else white_text(levels)
