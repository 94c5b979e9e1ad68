"""Texts and pairs of texts: open and examine one, turn it into its source's tokens, and vary it."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from headstart.core.dataset import RECORD
from headstart.core.registry import Registry
from headstart.core.source import Levels
from headstart.core.untrusted import limits
from headstart.core.words import shortened
from headstart.errors import BadOption, TextError
from headstart.modalities.base import Counted, Examination, Numbers, Settled, filled_up, generator
from headstart.modalities.text import _described, _traits
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing, encoder_of

PREPARATION = 2
NOUN = "text"
HAS_LEVELS = False
IN_WORDS = True
IN_LINES = True
ROWS = False
PRETRAINED = True
GROUPS = ()
REMEMBERED = False
STORED_ALIKE = False
VIEWS_PAY = False  # leaving words out helps too seldom to pay for a pass
COMPARED_BY = ""
COPIES_FROM = None
TUNING = Numbers(lr=5e-5, layer_decay=0.9, weight_decay=0.01, smoothing=0.0, from_scratch=(5e-4, 1e-3, 2e-4))
"""Mosbach et al., ICLR 2021, and no label smoothing. all-MiniLM-L6-v2 with 64 labels a class, from the
probe's head, 60 to 100 steps of 32 to 48 texts at 5e-5, no decay by layer: CR 0.84, TREC 0.86 (frozen 0.76
and 0.75; one draw, validation parts). From scratch encoders of texts want less: they are deeper and
narrower."""
PREPROCESSING = TextPreprocessing
PLAIN = TextPreprocessing(WordEncoder(()).to_json())
NOT_READ: Mapping[str, str] = {}
SUFFIXES = frozenset({".txt", ".text", ".md"})
DEFAULT_VIEW = "drop-words"
DROPPED = 0.1
"""Share of the words that the view "drop-words" leaves out."""


class Text(NamedTuple):
    """A text, or a pair of texts."""

    first: str
    second: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def own(self) -> str:
        """What may stand for an answer: of a pair the second text, the passage of a question."""
        return self.parts[-1]


Recipe = Callable[[str, np.random.Generator], str]
VIEWS: Registry[Recipe] = Registry("view recipe")
"""Recipes of augmented views by name; each text of a pair is varied by itself."""


def open_item(data: bytes, levels: None = None) -> Text:  # noqa: ARG001 - those of pictures
    """The bytes of a text file, or of a `headstart.core.dataset.TextItem`.

    UTF-8, UTF-16 and UTF-32 with their marks, else Windows-1252. Raises `TextError` when there is nothing
    but blanks, zero bytes, or more than 10 MB.
    """
    return opened(data)[0]


@contextlib.contextmanager
def held(data: bytes, levels: None = None) -> Iterator[Text]:  # noqa: ARG001
    """See `open_item`: a text needs no room to speak of."""
    yield open_item(data)


described = _described.of_texts
collate = filled_up


def settle(levels: Levels | None, looked: Sequence[Examination], *, find: bool = True) -> Settled:  # noqa: ARG001
    """Nothing follows from all texts together. Raises `BadOption` for levels."""
    if levels is not None:
        raise BadOption("white", levels[1], "left out: texts have no white point")
    return Settled(None, tuple(looked))


def opened(data: bytes) -> tuple[Text, str]:
    """(the text, the encoding it was found to have). Raises `TextError`."""
    if len(data) > limits.TEXT_BYTES:
        most = limits.TEXT_BYTES // 1_000_000
        raise TextError("HS105", f"{len(data) / 1e6:,.0f} MB: texts over {most} MB are refused")
    decoded, encoding = decode(data)
    if "\0" in decoded:
        raise TextError("HS106", "holds zero bytes, so it is no text")
    nothing, *parts = decoded.split(RECORD)
    # a text file may hold such a sign anywhere: that makes no pair of it
    text = Text(*parts) if not nothing and len(parts) == 2 else Text(decoded.replace(RECORD, " "))
    if not any(map(seen, text.parts)):
        if "\ufffd" in decoded:
            raise TextError("HS106", f"holds nothing but {LOST}")
        raise TextError(
            "HS102", f"is empty (whitespace{' and invisible signs' * bool(decoded.strip())} only)"
        )
    return text, encoding


LOST = "\ufffd, which stands for signs that were lost: half a character (a lone surrogate), say"
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
"""Unicode's categories of signs that are not seen; those it does not know yet may well be."""
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffd")
"""Signs that are not seen, though Unicode counts them as letters or symbols; and the one for a lost sign."""


def seen(text: str) -> bool:
    """Whether a text has a sign that can be seen: blanks, zero-width ones and the like cannot."""
    return any(
        unicodedata.category(sign) not in _UNSEEN
        and sign not in _INVISIBLE
        and not "\ufe00" <= sign <= "\ufe0f"
        for sign in text
    )


MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
         (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip


def decode(data: bytes) -> tuple[str, str]:
    """(text, encoding); bytes that are no UTF-8 are read as Windows-1252, where every byte is a letter."""
    marked = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(marked, "strict" if marked.startswith("utf-8") else "replace"), marked
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), "cp1252"


def examine(data: bytes) -> Examination:
    """Decode and say what was found. Raises nothing: problems are part of the answer."""
    try:
        text, encoding = opened(data)
    except TextError as error:
        return Examination(problem=error.code, detail=error.problem)
    said = {}
    if encoding == "cp1252":
        said["HS212"] = "no UTF-8: read as Windows-1252"
    elif found := garbled("\n".join(text.parts)):
        said["HS212"] = found
    if not all(map(seen, text.parts)):
        said["HS216"] = f"its {'second' if seen(text.first) else 'first'} text is empty"
    form = "pair" if text.second is not None else ""
    return Examination(
        sum(map(len, text.parts)), 1, form, encoding, tuple(said), detail="; ".join(said.values())
    )


def traits(data: bytes, seen: Examination) -> dict[str, float | str]:
    """See `_traits.traits`. Raises `TextError`."""
    return _traits.traits(open_item(data).parts, seen)


def looks(text: Text) -> dict[str, float]:
    """See `_traits.looks`."""
    return _traits.looks(text.parts)


def terms(text: Text) -> list[str]:
    """Its words in small letters, in order."""
    return [word for part in text.parts for word in WordEncoder(()).split(part)]


WESTERN = re.compile("[\u0080-\u017f\u2010-\u206f\u20ac\u2122]")
"""What a single garbled sign may have been; any other is what "É" and a hard blank make by chance."""


def garbled(text: str) -> str:
    """How a text was spoiled on its way, or nothing: UTF-8 that was read as Windows-1252, or signs lost."""
    if "\ufffd" in text:
        return f"holds {LOST}"
    for run in re.findall(r"[\u0080-\u2122]{2,}", text):
        with contextlib.suppress(UnicodeError):
            meant = b"".join(_byte(sign) for sign in run).decode("utf-8")
            if "\ufffd" in meant:
                return f"holds {run!r}, which stands for signs that were lost"
            if len(meant) > 1 or WESTERN.fullmatch(meant):
                return f"holds {run!r} where {meant!r} was meant"
    return ""


def _byte(sign: str) -> bytes:
    """The byte that Windows-1252 shows as this sign, where it shows one."""
    return bytes([ord(sign)]) if ord(sign) < 256 else sign.encode("cp1252")


def prepare(
    data: bytes | Text, contract: TextPreprocessing, *, view: int = 0, kind: str = DEFAULT_VIEW, key: str = ""
) -> np.ndarray:
    """A text -> int32 `[3, t]`: tokens, mask (ones), types. Two texts apart: `[6, t]`, the shorter filled up.

    View 0 is the text as it is; views 1, 2, ... are varied by the recipe `kind` and depend on (key, view,
    kind) only. `t` is at least 1: a text of which no word is known has one token that is masked. Raises
    `TextError`; `UnknownName` for an unknown recipe.
    """
    text = data if isinstance(data, Text) else open_item(data)
    recipe = VIEWS[kind or DEFAULT_VIEW]
    if view:
        rng = generator(key, view, kind)
        text = Text(*(recipe(part, rng) for part in text.parts))
    encoder = encoder_of(contract)
    if contract.apart:
        if text.second is None:
            raise TextError("HS106", "it is one text, and the source compares the two of a pair")
        return collate([encoder(contract.prefix + part) for part in text.parts]).reshape(6, -1)
    return encoder(contract.prefix + text.first, text.second)


def unread(opened: Text, prepared: np.ndarray, contract: TextPreprocessing) -> str:
    """How many tokens are read, where there are more."""
    if prepared.shape[-1] < contract.max_length:  # nothing can have been cut
        return ""
    counted = count(opened, contract)
    if counted.tokens <= counted.read:
        return ""
    return f"{counted.read:,} of {counted.tokens:,} tokens are read"


def dummy_batch(contract: TextPreprocessing, count: int, *, pairs: bool = False) -> np.ndarray:
    """int32 `[count, C, T]`: texts, or pairs of them, of words drawn from all that the contract's encoder
    knows; the first has four, each further one twice as many."""
    rng, encoder = generator(NOUN, 0, "made up"), encoder_of(contract)
    drawn = [
        Text(*(encoder.dummy_text(4 * 2**row, rng) for _ in range(2 if pairs else 1))) for row in range(count)
    ]
    return collate([prepare(text, contract) for text in drawn])


def beginning(data: bytes | Text, most: int) -> str:
    """The first words of a text; of both texts of a pair. Raises `TextError`."""
    parts = (data if isinstance(data, Text) else open_item(data)).parts
    return " | ".join(shortened(part, most // len(parts)) for part in parts)


def lines(text: Text) -> tuple[str, ...]:
    """The text, or both of a pair."""
    return text.parts


def stored(data: bytes | Text, contract: TextPreprocessing, size: int) -> np.ndarray:
    """int32 `[C, size]`: filled up, or cut, to `size` tokens."""
    found = prepare(data, contract)[:, :size]
    return np.pad(found, ((0, 0), (0, size - found.shape[1])))


def stored_column(size: int) -> str:
    """The store's column of tokens cut to a length."""
    return f"tokens:{size}"


def weight(data: bytes, contract: TextPreprocessing) -> int:
    """Tokens, cut at the most that is read: texts of like length share a batch."""
    try:
        return int(prepare(data, contract).shape[-1])
    except TextError:
        return 1


def largest_number(contract: TextPreprocessing) -> int:
    """The largest number that the contract's encoder gives a token."""
    return encoder_of(contract).largest


def count(data: bytes | Text, contract: TextPreprocessing) -> Counted:
    """How long a text is for a source, how much of it is read, and how many words are unknown."""
    text = data if isinstance(data, Text) else open_item(data)
    encoder = encoder_of(contract)
    alone = text.parts if contract.apart else (text.first,)
    second = None if contract.apart else text.second
    counts = [encoder.count(contract.prefix + part, second) for part in alone]
    return Counted(max(c.tokens for c in counts), max(c.read for c in counts), sum(c.unknown for c in counts))


def _drop_words(text: str, rng: np.random.Generator) -> str:
    """Each word left out with a probability of `DROPPED`; never all of them."""
    words = re.findall(r"\S+", text)
    kept = [word for word, draw in zip(words, rng.random(len(words)), strict=True) if draw >= DROPPED]
    return " ".join(kept or words)


VIEWS.add("drop-words", _drop_words)
VIEWS.add("none", lambda text, _: text)
