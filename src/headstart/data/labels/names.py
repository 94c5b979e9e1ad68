"""Names of classes: their order, two spellings of one, and those that only look alike."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from headstart.data.labels.several import named_parts
from headstart.data.labels.values.column import Column, normal
from headstart.data.labels.values.numbers import in_order, plain
from headstart.data.reading import natural
from headstart.errors import DataError, UnknownName

_ALIKE = {
    "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0458\u0455": "aceopxyijs",
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425": "ABCEHIJKMOPSTX",
    "\u03bf\u0391\u0392\u0395\u0397\u0399\u039a\u039c": "oABEHIKM",
    "\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u0396": "NOPTYXZ",
    "\u0501\u0261": "dg",
    "\u2018\u2019\u02bc\u00b4\u0060\u201c\u201d\u201e": "'''''\"\"\"",
    "\u2010\u2011\u2012\u2013\u2014\u2212": "------",
}
_SAME = {
    ord(sign): other for signs, others in _ALIKE.items() for sign, other in zip(signs, others, strict=True)
}
"""Letters of other alphabets, and signs, that look like those of the Latin alphabet."""


def given(classes: Any, where: str) -> list[str]:
    """The names of classes that were given, each once. Raises `DataError`."""
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise DataError(where, f"labels={classes!r} is no list of class names", "give them in a list")
    composed = dict.fromkeys(unicodedata.normalize("NFC", str(label)) for label in classes)
    names = [label.strip() for label in composed]  # as the labels themselves
    twice = [label for label, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(where, f"two classes are called {twice[0]!r}", "give each its own name")
    return names


def space(found: Iterable[str], classes: Sequence[str] | None, where: str) -> list[str]:
    """The label space in its order: as given, or else by number where all are numbers.

    Raises `UnknownName`.
    """
    if classes is None:
        distinct = set(found)
        return in_order(distinct) or sorted(distinct, key=natural)
    for label in dict.fromkeys(found):
        if label not in classes:
            raise UnknownName(f"label (in {where})", label, classes)
    return list(classes)


def one_spelling(texts: Iterable[str], column: Column) -> Mapping[str, str]:
    """Label -> the label it is another spelling of: "1.0" is "1" where all are numbers. It is told.

    "1.10" and "1.1" stay two: so versions and chapters are written.
    """
    distinct = set(texts)
    if in_order(distinct | set(column.named)) is None:
        return {}
    same: dict[float | None, list[str]] = defaultdict(list)
    for text in distinct | set(column.named):
        same[plain(text)].append(text)
    found: dict[str, str] = {}
    for number, spelled in same.items():
        if number is None or not number.is_integer():
            continue
        ordered = sorted(spelled, key=lambda text: (text not in column.named, len(text), text))
        other = [text for text in ordered[1:] if text not in column.named]  # which are two on purpose
        found |= dict.fromkeys(other, ordered[0])
        if other:
            listed = " and ".join(map(repr, (ordered[0], *other)))
            column.tell(
                "HS322", f"{listed} in {column.name!r} are the same number: one label, {ordered[0]!r}"
            )
    return found


def match(names: Sequence[str], known: Sequence[str], *, several: bool) -> dict[str, list[str]]:
    """Names of labels -> the known ones that they are in another form; unknown names are left out.

    "1.0" is "1", "True" is "true", another Unicode form the same name; where an item may have `several`
    labels, a name may hold several: "bad, shipping".
    """
    found = {_key(name): name for name in known}
    matched: dict[str, list[str]] = {}
    for name in names:
        one = name if name in known else found.get(_key(name))
        keys = None if one is not None or not several else named_parts(normal(name), {*known, *found})
        if one is not None:
            matched[name] = [one]
        elif keys is not None:
            matched[name] = [key if key in known else found[key] for key in keys]
    return matched


def _key(name: str) -> str:
    number = plain(name.strip())
    composed = normal(name)
    return (
        repr(number) if number is not None else composed.lower() if composed.lower() in _BOOLS else composed
    )


_BOOLS = ("true", "false")


def alike(names: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(names that a reader takes for one, where they differ; "" where by case or blanks alone)."""
    same: dict[Any, list[str]] = defaultdict(list)
    for name in names:
        number = plain(name)
        same[_bare(_seen(name)) if number is None else number].append(name)
    for key, group in same.items():
        if len(group) > 1 and isinstance(key, float):
            yield tuple(group), "the same number"
        elif len(group) > 1:
            plainest = min(group, key=lambda name: (sum(not sign.isascii() for sign in name), len(name)))
            odd = [name for name in group if _bare(name) != _bare(plainest)]
            ordered = (plainest, *(name for name in group if name != plainest))
            yield ordered, "; ".join(difference(plainest, name) for name in odd)


def _bare(name: str) -> str:
    return "".join(name.lower().replace("_", " ").replace("-", " ").split())


def _seen(name: str) -> str:
    """A name as it looks: without what is invisible, in one width, with Latin letters for their doubles."""
    kept = "".join(sign for sign in name if not _invisible(sign))
    return normal(unicodedata.normalize("NFKC", kept.translate(_SAME)).translate(_SAME))


def _invisible(sign: str) -> bool:
    if "\ufe00" <= sign <= "\ufe0f":  # how the letter before it is to be drawn
        return True
    return unicodedata.category(sign) in ("Cf", "Cc") and not sign.isspace()


def difference(name: str, other: str) -> str:
    """Where another name differs from one that looks like it: U+200B (zero width space) at its beginning."""
    i = 0
    while i < min(len(name), len(other)) and name[i] == other[i]:
        i += 1
    sign = other[i : i + 1] or name[i : i + 1]
    owner = other if i < len(other) else name
    code = f"U+{ord(sign):04X} ({unicodedata.name(sign, 'no name').lower()})"
    if i == 0:
        place = "at its beginning"
    elif i == len(owner) - 1:
        place = "at its end"
    else:
        place = f"at place {i + 1}"
    instead = "" if _invisible(sign) else f" instead of {name[i : i + 1]!r}" if i < len(name) else ""
    return f"{owner!r} has {code}{instead} {place}"
