"""Regular expressions that a tokenizer.json brings: only those that cannot run for ever are used.

An expression of which a part that repeats is itself repeated, as in `(a+)+`, takes a time that doubles with
every sign of the text. Those by which the tokenizers of GPT-2, Llama, Qwen, CLIP, DeepSeek and others split
texts repeat single signs and classes of signs only. So that is what is allowed: what is repeated is one sign,
one class or a row of them. What is left takes at most a power of the text's length, and the library gives a
single place up after ten million steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headstart.core.untrusted import Damaged

LONGEST = 4_000
"""Signs of an expression."""
MOST = 64
"""Expressions of one tokenizer."""
IN_A_ROW = 3
"""Parts of one alternative that repeat without end: the time grows with this power of a text's length."""
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")
_GROUP = re.compile(r"\?(?:[imsx-]*[:)]|>|=|!|<=|<!)")
"""How a group may begin: no back reference, condition, call or absence."""
_ESCAPE = re.compile(r"\\(?:[pP]\{\^?\w+\}|x\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_REFUSED = re.compile(r"\\[1-9kgKXR]")


def check(content: Any) -> None:
    """Raises `Damaged` for a tokenizer with an expression that is not as said above."""
    if not isinstance(content, Mapping):
        raise Damaged("a tokenizer that is no record {...}")
    found = [pattern for part in PARTS for pattern in _expressions(content.get(part))]
    if len(found) > MOST:
        raise Damaged(f"a tokenizer with {len(found)} regular expressions; {MOST} are read")
    for pattern in found:
        try:
            _Reader(pattern).read()
        except _Refused as error:
            shown = pattern if len(pattern) <= 60 else f"{pattern[:57]}..."
            raise Damaged(f"a tokenizer whose regular expression {shown!r} {error}") from None


def _expressions(part: Any) -> Iterator[str]:
    inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()
    if isinstance(part, Mapping) and isinstance(part.get("Regex"), str):
        yield part["Regex"]
    for one in inner:
        yield from _expressions(one)


@dataclass
class _Level:
    """What is known of the group that is being read."""

    repeats: bool = False
    """Whether anything in it is repeated."""
    choices: bool = False
    endless: int = 0
    """Parts of this alternative that repeat without end."""
    worst: int = 0
    """Of the worst alternative before."""

    def take(self, part: _Level) -> None:
        """Count what is known of a part of it."""
        self.repeats |= part.repeats
        self.choices |= part.choices
        self.endless += part.endless


class _Refused(Exception):
    """The text says why."""


class _Reader:
    """One walk over an expression."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.place = pattern, 0
        self.stack = [_Level()]
        self.atom: _Level | None = None
        """What a quantifier would repeat."""

    def read(self) -> None:
        """Raises `_Refused`."""
        if len(self.pattern) > LONGEST:
            raise _Refused(f"is longer than {LONGEST:,} signs")
        while self.place < len(self.pattern):
            quantifier = _QUANTIFIER.match(self.pattern, self.place)
            if quantifier and self.atom is not None and quantifier[0] not in ("{}", "{,}"):
                self._repeat(quantifier)
            else:
                self._settle()
                self._step(self.pattern[self.place])
            self._count()
        self._settle()
        self._count()
        if len(self.stack) > 1:
            raise _Refused("has a group that does not end")

    def _count(self) -> None:
        if self.stack[-1].endless > IN_A_ROW:
            raise _Refused(f"repeats more than {IN_A_ROW} things in a row without end")

    def _settle(self) -> None:
        """What was read last is not repeated."""
        if self.atom is not None:
            self.stack[-1].take(self.atom)
        self.atom = None

    def _repeat(self, quantifier: re.Match[str]) -> None:
        assert self.atom is not None
        most, end = _most(quantifier), quantifier.end()
        lazy = self.pattern[end : end + 1] in ("?", "+") and self.pattern[end : end + 1] != ""
        if most > 1 and (self.atom.repeats or self.atom.choices):
            raise _Refused("repeats what repeats itself, or a choice")
        exact = quantifier[0].startswith("{") and not quantifier[2] and not lazy  # nothing to try again
        self.atom = _Level(
            not exact or self.atom.repeats, self.atom.choices, self.atom.endless + (most == float("inf"))
        )
        self._settle()
        self.place = end + lazy

    def _step(self, sign: str) -> None:
        if sign == "(":
            self._open()
        elif sign == ")":
            if len(self.stack) == 1:
                raise _Refused("closes a group that is not open")
            self.atom = self.stack.pop()
            self.atom.endless = max(self.atom.worst, self.atom.endless)
            self.place += 1
        elif sign == "|":
            level = self.stack[-1]
            level.worst, level.endless, level.choices = max(level.worst, level.endless), 0, True
            self.place += 1
        else:
            self.place = _sign(self.pattern, self.place)
            self.atom = _Level()

    def _open(self) -> None:
        begin = _GROUP.match(self.pattern, self.place + 1)
        if begin is None and self.pattern.startswith("?", self.place + 1):
            raise _Refused("has a group of a kind that is not used for splitting texts")
        self.place = begin.end() if begin else self.place + 1
        if not (begin and begin[0].endswith(")")):  # (?i) holds for what follows
            self.stack.append(_Level())


def _most(quantifier: re.Match[str]) -> float:
    if quantifier[0] in "*+?":
        return 1 if quantifier[0] == "?" else float("inf")
    low, comma, high = quantifier.groups()
    if comma:
        return int(high[:6]) if high else float("inf")
    return int(low[:6])


def _sign(pattern: str, place: int) -> int:
    """The place behind one sign or class. Raises `_Refused`."""
    if pattern[place] == "[":
        return _class(pattern, place)
    if pattern[place] != "\\":
        return place + 1
    found = _ESCAPE.match(pattern, place)
    if found is None or _REFUSED.match(found[0]):
        raise _Refused("refers back to itself")
    return found.end()


def _class(pattern: str, place: int) -> int:
    """Behind a class of signs, which may hold classes itself. Raises `_Refused` for one that does not end."""
    depth = 0
    while place < len(pattern):
        if pattern[place] == "\\":
            place += 1
        elif pattern[place] == "[":
            depth += 1
            place += pattern[place + 1 : place + 2] == "^"
            place += pattern[place + 1 : place + 2] == "]"  # a first one is a sign
        elif pattern[place] == "]":
            depth -= 1
            if not depth:
                return place + 1
        place += 1
    raise _Refused("has a class of signs that does not end")
