"""`vectors:PATH`: word vectors of word2vec (binary or text), GloVe, or fastText's .vec, also packed as .gz.

Options after a question mark: `words=N` (how many words are read, the first 200,000 where nothing is said)
and `lowercase=true` or `false` (whether texts are put into small letters; where nothing is said they are
when nearly all of the list's words are):

    vectors:glove.6B.300d.txt?words=50000
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.core.source import Source
from headstart.core.untrusted import limits
from headstart.errors import SourceError
from headstart.sources.files.paths import with_options
from headstart.sources.text.files import vectors

if TYPE_CHECKING:
    from headstart.sources.text.files.vectors import Table
    from headstart.sources.text.networks.bag import WordBackbone

OPTIONS = ("words", "lowercase")
SWITCH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def find(spec: str, name: str) -> Source:
    """The record of a file; its words are read. Raises `SourceError`."""
    path, words, lowercase = split(spec, name)
    table = _table(path, _stamp(path, spec), spec, words, lowercase)
    return _source(spec, path, table)


def files(spec: str, name: str) -> tuple[Path, ...]:
    """The file itself. Raises `SourceError`."""
    return (split(spec, name)[0],)


def split(spec: str, name: str) -> tuple[Path, int, bool | None]:
    """Path, number of words, and whether to lowercase. Raises `SourceError` for other options."""
    path, options = with_options(name, spec, OPTIONS)
    words, switch = options.get("words", str(vectors.WORDS)), options.get("lowercase", "")
    if not (words.isdecimal() and len(words) <= 12) or not 0 < int(words) <= limits.WORDS:
        raise SourceError(spec, f"words={words[:20]} is no number from 1 to {limits.WORDS:,}")
    if switch.lower() not in {*SWITCH, ""}:
        raise SourceError(spec, f"lowercase={switch} is neither true nor false")
    return path, int(words), SWITCH.get(switch.lower())


def load(source: Source, *, download: bool = False) -> WordBackbone:  # noqa: ARG001 - it is here or nowhere
    """The vectors as a network. Raises `SourceError`."""
    from dataclasses import replace

    from headstart.sources.files import weights
    from headstart.sources.text.networks import bag

    spec = source.spec
    path, words, lowercase = split(spec, spec.removeprefix("vectors:"))
    with weights.unchanged(path, spec):
        if source.sha256 is not None:
            weights.check_sha256(path, source.sha256, spec)
        table = _table(path, _stamp(path, spec), spec, words, lowercase)
        digest = source.sha256 or weights.sha256_of(path)
    return bag.of_table(table, replace(_source(spec, path, table), sha256=digest))


def _source(spec: str, path: Path, table: Table) -> Source:
    return Source(
        spec=spec,
        name=path.name.partition(".")[0] or path.name,
        modality="text",
        architecture=table.architecture,
        input=table.contract,
        parameters=int(table.vectors.size),
        local=True,
        size_bytes=path.stat().st_size,
        note="word vectors: the weighted mean of a text's words, which knows nothing of their order",
    )


def _stamp(path: Path, spec: str) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        raise SourceError(spec, f"there is no file {path}", "correct the path") from None
    if path.is_dir():
        raise SourceError(spec, f"{path} is a folder", "name a file of word vectors")
    return found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1)
def _table(path: Path, stamp: tuple[int, ...], spec: str, words: int, lowercase: bool | None) -> Table:
    del stamp  # of the file: a changed one is read again
    return vectors.read(path, spec, words, lowercase=lowercase)
