"""The network inside a checkpoint: under which names its trunk lies there, and what else is there.

Training scripts put prefixes before names (`module.`, `backbone.`, `student.`), add projectors, predictors
and queues, save two copies of an encoder, or leave the classifier out. A trunk is taken where every one of
its tensors is found, in its shape, under one prefix. Where it is whole more than once, `ORDER` says which is
meant; a trunk of which a part is missing, and one to which layers are added, is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headstart.core.words import few
from headstart.errors import SourceError
from headstart.sources.files.weights import COUNTERS, NESTED

if TYPE_CHECKING:
    from torch import Tensor

ORDER = (
    re.compile(r"(^|[._])ema(?![a-z])|averaged|(^|[._])swa(?![a-z])"),
    re.compile(r"teacher"),
    re.compile(r"encoder_q(?![a-z])|query|online|base_encoder"),
    re.compile(r"student"),
)
"""Of copies of a trunk the first of these counts: averages (as timm takes them), the teacher, the encoder of
queries or the online network, the student; then one without such a name."""
LAST = re.compile(r"encoder_k(?![a-z])|(^|[._])key|target|momentum|(^|[._])old(?![a-z])")
"""And these last: encoders of keys, target and momentum networks."""
APART = re.compile(
    r"proj|predict|prototype|queue|head|classif|(^|_)fc|(^|_)cls|decoder|mask_token|momentum|ema(_|$)|teacher|student|"
    r"target|online|loss|criterion|center|temperature|logit|aux|linear|mlp|bn_|metric|(^|_)(mean|std)$"
)
"""Beginnings of the names of what stands beside a trunk: parts that only its training needed. Anything else
that is not expected makes another architecture likely."""
REMEDY = "name the right architecture (arch=LIBRARY/NAME, or a side-car JSON)"


@dataclass(frozen=True)
class Parts:
    """Names of a network's own tensors."""

    trunk: Sequence[str]
    head: Sequence[str]
    """Of its classifier, in its order; empty without one."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of all, those that neither needs included."""

    @property
    def required(self) -> list[str]:
        return [name for name in self.trunk if not name.endswith(COUNTERS)]


@dataclass(frozen=True)
class Found:
    """What of a file belongs to a network."""

    tensors: Mapping[str, Tensor] = field(repr=False)
    """By the network's own names, the classifier's included where it is there."""
    classes: int
    """Of the classifier in the file; 0 without one that the network could have."""
    notes: tuple[str, ...] = ()
    """What was chosen, and what was left out, in clauses."""


def find(parts: Parts, tensors: Mapping[str, Tensor], spec: str, prefix: str | None = None) -> Found:
    """The trunk, and the classifier if there is one, among the tensors of a file.

    With `prefix` the one under that. Raises `SourceError` for a trunk that is not there as a whole, that has
    more layers in the file, or that is there twice where nothing says which is meant.
    """
    counts = _places(parts, tensors)
    whole = [place for place, count in counts.items() if count == len(parts.required)]
    whole = [place for place in whole if not _other_shapes(parts, tensors, place)]
    if not whole:
        place = max(counts, key=lambda one: (counts[one], -len(one)), default="")
        raise _misfit(parts, _inside(tensors, place), place, spec)
    place = _chosen(whole, spec, prefix)
    inside = _inside(tensors, place)
    strange = _strange(parts, inside)
    if strange:
        raise _misfit(parts, inside, place, spec)
    own = {name: tensor for name, tensor in inside.items() if name in parts.shapes}
    classes = _classes(parts, own)
    if not classes:
        own = {name: tensor for name, tensor in own.items() if name not in parts.head}
    return Found(own, classes, tuple(_told(parts, tensors, own, place, whole)))


def _places(parts: Parts, tensors: Mapping[str, Tensor]) -> Counter[str]:
    """Prefix -> how many tensors of the trunk lie under it."""
    wanted, counts = set(parts.required), Counter[str]()
    for name in tensors:
        start = 0
        while start >= 0:
            if name[start:] in wanted:
                counts[name[:start]] += 1
            dot = name.find(".", start)
            start = dot + 1 if dot >= 0 else -1
    return counts


def _inside(tensors: Mapping[str, Tensor], place: str) -> dict[str, Tensor]:
    return {name[len(place) :]: tensor for name, tensor in tensors.items() if name.startswith(place)}


def _other_shapes(parts: Parts, tensors: Mapping[str, Tensor], place: str) -> list[str]:
    names = ((name, tensors.get(place + name)) for name in parts.trunk)
    return [name for name, found in names if found is not None and tuple(found.shape) != parts.shapes[name]]


def _strange(parts: Parts, inside: Mapping[str, Any]) -> list[str]:
    """Names that belong neither to the network nor to what may stand beside it."""
    tops = {_top(name) for name in parts.trunk}
    heads = {_top(name) for name in parts.head} - tops
    return [
        name
        for name in inside
        if name not in parts.shapes
        and not name.endswith(COUNTERS)
        and (_top(name) in tops or not (_top(name) in heads or APART.search(_top(name))))
    ]


def _top(name: str) -> str:
    return name.partition(".")[0]


def _chosen(whole: Collection[str], spec: str, prefix: str | None) -> str:
    if prefix is not None:
        wanted = prefix.rstrip(".") + "." if prefix.rstrip(".") else ""
        fitting = [place for place in whole if place == wanted or (wanted and place.endswith(f".{wanted}"))]
        if len(fitting) != 1:
            problem = f"its trunk is not found under the prefix {prefix!r}, but under {_shown(whole)}"
            raise SourceError(spec, problem, "correct the prefix, or leave it out")
        return fitting[0]
    ranks = {place: _rank(place) for place in whole}
    best = [place for place, rank in ranks.items() if rank == min(ranks.values())]
    if len(best) > 1:
        problem = f"its trunk is there {len(best)} times, under {_shown(best)}"
        raise SourceError(spec, problem, "say which is meant with ?prefix=NAME")
    return best[0]


def _rank(place: str) -> tuple[int, int]:
    own = next((i for i, pattern in enumerate(ORDER) if pattern.search(place)), len(ORDER))
    key = _top(place)
    return (
        len(ORDER) + 1 if LAST.search(place) else own,
        NESTED.index(key) if key in NESTED else len(NESTED),
    )


def _classes(parts: Parts, own: Mapping[str, Tensor]) -> int:
    """Rows of the last weight of the classifier; 0 where one of its tensors is missing or does not fit."""
    needed = [name for name in parts.head if not name.endswith(COUNTERS)]
    layers = [name for name in needed if len(parts.shapes[name]) > 1]
    if not layers or any(name not in own for name in needed):
        return 0
    if own[layers[-1]].ndim != len(parts.shapes[layers[-1]]):
        return 0
    rows, built = int(own[layers[-1]].shape[0]), parts.shapes[layers[-1]][0]
    for name in needed:
        found, wanted = tuple(own[name].shape), parts.shapes[name]
        if found != wanted and not (wanted[0] == built and found == (rows, *wanted[1:])):
            return 0
    return rows


def _told(
    parts: Parts,
    tensors: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    place: str,
    whole: Collection[str],
) -> list[str]:
    told = []
    others = [one for one in whole if one != place]
    if others:
        told.append(
            f"taken from {place or 'the top'!r}; {_shown(others)} not used (?prefix=NAME takes another)"
        )
    used = {place + name for name in own} | {one + name for one in others for name in parts.shapes}
    elsewhere = tuple(one for one in others if one)
    left = [
        name
        for name in tensors
        if name not in used and not name.endswith(COUNTERS) and not name.startswith(elsewhere)
    ]
    if left:
        count = f"{len(left)} tensor{'s' if len(left) > 1 else ''}"
        told.append(f"{count} of its file belong to no part of the network: {few(left, 3)}")
    return told


def _misfit(parts: Parts, inside: Mapping[str, Any], place: str, spec: str) -> SourceError:
    """What to raise, with the first names that are missing, too many or of another shape."""
    missing = [name for name in parts.required if name not in inside]
    shapes = _other_shapes(parts, inside, "")
    problems = [
        f"{len(names)} tensor{'s' if len(names) > 1 else ''} {what} ({few(names, 3)})"
        for names, what in (
            (missing, "missing"),
            (_strange(parts, inside), "not expected"),
            (shapes, "of another shape"),
        )
        if names
    ]
    where = f" under {place!r}" if place else ""
    problem = f"its weights{where} do not fit its architecture: {', '.join(problems)}"
    return SourceError(spec, problem, REMEDY)


def _shown(places: Collection[str]) -> str:
    return " and ".join(repr(place) if place else "no prefix" for place in sorted(places)[:4])
