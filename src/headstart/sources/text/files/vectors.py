"""Word vectors, read up to a number of words: word2vec (binary and text), GloVe, fastText's .vec, arrays.

The text form has a word and its numbers on every line; word2vec and fastText put a line with the number of
words and of dimensions before them. The binary form has that line, and after each word and a blank the
numbers as float32 (little-endian). Either may be packed with gzip. Words come in order of frequency, as all
of them are published.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from headstart.core import untrusted
from headstart.core.untrusted import limits
from headstart.errors import SourceError
from headstart.modalities.text.encoding.words import WHOLE, WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.sources.files.weights import readable

LIBRARY, ARCH = "headstart", "word-vectors"
WORDS = 200_000
"""Words that are read where nothing is said: with more of them only memory grows (docs/measured.md)."""
LENGTH = 4096
"""Words of a text that are read."""
LONGEST = 1_000
"""Bytes of the longest word that is believed."""
WIDEST = 10_000
DIGITS = 64
"""Signs of the longest number in a line."""
SPOT = 256
"""After so many words it is asked how far a packed file has grown."""
SNIFFED = 1 << 18
"""Bytes that tell the form of a file."""
FASTTEXT = b"\xba\x16\x4f\x2f"
"""How a whole model of fastText begins: it is not a list of vectors."""


@dataclass(frozen=True)
class Table:
    """Words in order of frequency, and their vectors."""

    words: tuple[str, ...] = field(repr=False)
    vectors: np.ndarray = field(repr=False)
    """float32 `[V, D]`"""
    lowercase: bool
    """Whether texts are to be put into small letters."""

    @property
    def architecture(self) -> dict[str, Any]:
        """What rebuilds the list without its numbers, as JSON."""
        words, width = self.vectors.shape
        return {"library": LIBRARY, "arch": ARCH, "kwargs": {"words": words, "width": width}}

    @property
    def contract(self) -> TextPreprocessing:
        """How texts are cut into these words."""
        encoder = WordEncoder(self.words, lowercase=self.lowercase, pattern=WHOLE)
        return TextPreprocessing(encoder.to_json(), max_length=LENGTH, pooling="mean")


def read(path: Path, spec: str, words: int, *, lowercase: bool | None = None) -> Table:
    """The first `words` words of a file; of those that are the same the first counts.

    With `lowercase` capitals are put into small letters first (None: when nearly all words are in small
    letters anyway, see `is_lower`). Raises `SourceError`, which names the line of what is broken.
    """
    numbers: list[np.ndarray] = []
    seen: dict[str, None] = {}
    names: list[str] = []
    for word, vector in _File(path, spec).entries(words):
        names.append(word)
        numbers.append(vector)
    if not names:
        raise SourceError(spec, f"{path.name} holds no vectors", "name a file of word vectors")
    fold = is_lower(names) if lowercase is None else lowercase
    kept = []
    for row, name in enumerate(names):
        word = name.lower() if fold else name
        if word not in seen:
            seen[word] = None
            kept.append(row)
    return Table(tuple(seen), np.stack(numbers)[kept], fold)


def from_arrays(numbers: Path, words: Path, spec: str) -> Table:
    """The first `WORDS` of an array float32 `[V, D]` (.npy) whose words, the most frequent first, are the
    column of a Parquet file. Raises `SourceError`."""
    import polars

    with readable(spec, "its vectors cannot be read", "install it again"):
        vectors = np.array(untrusted.read_npy(numbers, mapped=True)[:WORDS], order="C")
        names = polars.read_parquet(words, n_rows=WORDS).to_series().to_list()
    return Table(tuple(names), vectors, is_lower(names))


def is_lower(words: list[str]) -> bool:
    """Whether at most one word in a hundred has a capital: then texts are put into small letters as well."""
    return sum(word != word.lower() for word in words) <= len(words) / 100


@dataclass(frozen=True)
class _Form:
    count: int | None
    """Words that the first line promises; None where there is no such line."""
    width: int
    binary: bool = False


@dataclass(frozen=True)
class _File:
    path: Path
    spec: str

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        with readable(self.spec, f"{self.path} cannot be read", "fetch it again"):
            if not self.path.exists():
                raise SourceError(self.spec, f"there is no file {self.path}", "correct the path")
            with self.path.open("rb") as raw:
                packed = raw.read(2) == b"\x1f\x8b"
                raw.seek(0)
                with gzip.open(raw) if packed else raw as file:
                    yield cast("IO[bytes]", file)

    def entries(self, words: int) -> Iterator[tuple[str, np.ndarray]]:
        """The first words with their vectors. Raises `SourceError`."""
        with self.opened() as file:
            form = self._form(file.read(SNIFFED))
        with self.opened() as file:
            if form.count is not None:
                file.readline(SNIFFED)
            read = self._binary if form.binary else self._lines
            for number, word, vector in read(file, form, words):
                if number % SPOT == 0:
                    self._check_size(file.tell(), 4 * number * form.width)
                if not np.isfinite(vector).all():
                    raise self._broken(number, f"has a number for {word!r} that is not finite", form)
                yield word, vector

    def _form(self, start: bytes) -> _Form:
        if start.startswith(FASTTEXT):
            problem = f"{self.path.name} is a model of fastText, not a list of vectors"
            raise SourceError(self.spec, problem, "name its .vec file")
        what = untrusted.not_itself(start)
        if what is not None:
            raise SourceError(self.spec, f"{self.path.name} is {what[0]}", what[1])
        first, _, rest = start.partition(b"\n")
        fields = first.split()
        if len(fields) == 2 and all(field.isdigit() and len(field) <= 12 for field in fields):
            count, width = map(int, fields)
            if not (count > 0 and 0 < width <= WIDEST):
                raise self._broken(1, f"promises {count} words of {width} numbers")
            return _Form(count, width, binary=_numbers(rest.partition(b"\n")[0]) < min(width, 2))
        width = _numbers(first)
        if not 2 <= width <= WIDEST:
            raise self._broken(1, "is neither a header nor a word with its numbers")
        return _Form(None, width)

    def _lines(self, file: IO[bytes], form: _Form, words: int) -> Iterator[tuple[int, str, np.ndarray]]:
        start = 1 if form.count is None else 2
        longest = LONGEST + (DIGITS + 1) * form.width
        for number in range(start, start + min(words, form.count or words)):
            line = file.readline(longest)
            if len(line) == longest:
                raise self._broken(number, f"is longer than {longest:,} bytes")
            line = line.rstrip()
            if not line and form.count is None:
                return
            parts = line.rsplit(None, form.width)  # a word may hold blanks itself
            if len(parts) != form.width + 1:
                raise self._broken(number, f"has not a word and {form.width} numbers")
            try:
                vector = np.array(parts[1:], dtype=np.float32)
            except ValueError:
                raise self._broken(number, "holds something that is no number") from None
            yield number, parts[0].decode("utf-8", "replace"), vector

    def _binary(self, file: IO[bytes], form: _Form, words: int) -> Iterator[tuple[int, str, np.ndarray]]:
        for number in range(1, min(words, form.count or words) + 1):
            name = bytearray()
            while (byte := file.read(1)) != b" ":
                if not byte or len(name) > LONGEST:
                    raise self._broken(number, "has no word", form)
                name += byte
            raw = file.read(4 * form.width)
            if len(raw) != 4 * form.width:
                raise self._broken(number, f"has not {form.width} numbers", form)
            vector = np.frombuffer(raw, "<f4").astype(np.float32)
            yield number, name.strip().decode("utf-8", "replace"), vector

    def _check_size(self, unpacked: int, numbers: int) -> None:
        if numbers > limits.VECTOR_BYTES:
            problem = f"the numbers of {self.path.name} take more than {limits.VECTOR_BYTES:,} bytes"
            raise SourceError(self.spec, problem, "read fewer words, with ?words=N")
        packed = self.path.stat().st_size
        if unpacked > max(limits.RATIO_FROM, limits.ARCHIVE_RATIO * packed):
            problem = f"{self.path.name} unpacks to more than {limits.ARCHIVE_RATIO} times its size"
            raise SourceError(self.spec, problem, "fetch it again")

    def _broken(self, number: int, problem: str, form: _Form | None = None) -> SourceError:
        what = "entry" if form is not None and form.binary else "line"
        return SourceError(self.spec, f"{what} {number} of {self.path.name} {problem}", "fetch it again")


def _numbers(line: bytes) -> int:
    """How many numbers a line ends in, after its first word."""
    found = 0
    for part in reversed(line.split()[1:]):
        try:
            float(part)
        except ValueError:
            break
        found += 1
    return found
