"""Word vectors in all their forms, and the mean that is made of them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import sources
from headstart.errors import SourceError
from headstart.modalities import text
from headstart.testing import backbone as suite
from headstart.testing.texts import FILLERS

WORDS = [*FILLERS, "rain", "snow", "bread", "café", "new york", "don"]
WIDTH = 6
VECTORS = np.random.default_rng(0).normal(0.3, 1, (len(WORDS), WIDTH)).astype(np.float32)


def lines(words: list[str] = WORDS, vectors: np.ndarray = VECTORS) -> str:
    return "".join(f"{w} {' '.join(map(repr, map(float, v)))}\n" for w, v in zip(words, vectors, strict=True))


HEADER = f"{len(WORDS)} {WIDTH}\n"


def binary(after: bytes) -> bytes:
    entries = (w.encode() + b" " + v.astype("<f4").tobytes() for w, v in zip(PLAIN, VECTORS, strict=True))
    return HEADER.encode() + b"".join(entry + after for entry in entries)


PLAIN = [word.replace(" ", "_") for word in WORDS]
BINARY = binary(b"\n")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def put(content: str | bytes, name: str = "net.vec", options: str = "") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return f"vectors:{path}{options}"

    return put


def embeddings(backbone: Any, *texts: str) -> np.ndarray:
    contract = backbone.source.input
    prepared = text.collate([text.prepare(t.encode(), contract) for t in texts])
    with torch.no_grad():
        state = backbone.full(backbone.normalise(torch.from_numpy(prepared)))
        return np.asarray(backbone.pool(state, backbone.embedding).numpy())


def sif(*sentences: list[str]) -> np.ndarray:
    """By hand, as the paper has it: weights by rank, the first direction of the weighted vocabulary removed."""
    rank = 1 + np.arange(len(WORDS))
    share = (1 / rank) / np.sum(1 / rank)
    weight = 1e-3 / (1e-3 + share)
    weighted = VECTORS.astype(float) * weight[:, None]
    _, _, directions = np.linalg.svd(np.sqrt(share)[:, None] * weighted, full_matrices=False)
    means = np.stack([np.mean([weighted[WORDS.index(w)] for w in s], 0) for s in sentences])
    return np.asarray(means - np.outer(means @ directions[0], directions[0]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("glove.txt", lines()),
        ("fast.vec", HEADER + lines()),
        ("w2v.bin", BINARY),
        ("w2v-unbroken.bin", binary(b"")),
        ("fast.vec.gz", gzip.compress((HEADER + lines()).encode(), mtime=0)),
        ("w2v.bin.gz", gzip.compress(BINARY, mtime=0)),
    ],
)
def test_every_form_gives_the_same(write: Callable[..., str], name: str, content: Any) -> None:
    backbone = sources.load(write(content, name))
    found = embeddings(backbone, "the rain and snow", "bread, zzz CAFÉ")
    expected = sif(["the", "rain", "and", "snow"], ["bread", "café"])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert backbone.source.architecture["kwargs"] == {"words": len(WORDS), "width": WIDTH}
    assert re.fullmatch("[0-9a-f]{64}", backbone.source.sha256 or "")


def test_contract(write: Callable[..., str]) -> None:
    backbone = sources.load(write(lines()))
    suite.check_backbone(backbone, 3, least_cuts=2)
    suite.check_backbone(sources.apart(backbone), 3, least_cuts=2)
    assert [str(tap) for tap in backbone.taps()] == ["vectors/mean", "vectors/max"]


def test_words_and_letters(write: Callable[..., str]) -> None:
    few = sources.find(write(lines(), options="?words=5"))
    assert few.parameters == 5 * WIDTH
    counted = text.count(b"the zzz rain", few.input)
    assert (counted.tokens, counted.unknown) == (1, 2)
    content = lines(["The", "the", "Rain", "rain"], VECTORS[:4])
    as_it_is = sources.load(write(content))
    assert embeddings(as_it_is, "Rain").tolist() != embeddings(as_it_is, "rain").tolist()
    folded = sources.load(write(content, options="?lowercase=true"))
    assert folded.source.parameters == 2 * WIDTH  # the first of each counts
    assert embeddings(folded, "Rain").tolist() == embeddings(folded, "rain").tolist()


def test_nothing_known_is_zero(write: Callable[..., str]) -> None:
    assert not embeddings(sources.load(write(lines())), "zzz", "the").any(1)[0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lines() + "odd 1 2\n", f"line {len(WORDS) + 1} .* has not a word and 6 numbers"),
        (lines() + "odd 1 2 3 4 5 x\n", f"line {len(WORDS) + 1} .* no number"),
        (lines() + "odd 1 2 3 4 5 nan\n", f"line {len(WORDS) + 1} .* not finite"),
        (f"{len(WORDS) + 2} {WIDTH}\n" + lines(), f"line {len(WORDS) + 2} .* has not a word"),
        ("0 6\n", "line 1 .* promises 0 words"),
        ("5 99999999\n" + lines(), "line 1 .* promises 5 words of 99999999"),
        ("", "line 1 .* neither a header nor a word"),
        ("<html>\n<body>\n", "is a web page, not the file itself"),
        (BINARY[: len(BINARY) // 2], r"entry \d+ of .* has"),
        (b"\xba\x16\x4f\x2f" + b"\0" * 40, "a model of fastText"),
        (gzip.compress(BINARY, mtime=0)[:100], "cannot be read"),
        (b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 16, "cannot be read"),
        ("9" * 4_301 + " 6\n" + lines(), "line 1 .* neither a header nor a word"),
        (
            gzip.compress(("the " + "1 " * 6 + "\nx" + " " * 50_000_000).encode(), 9, mtime=0),
            "line 2 .* longer than 1,390",
        ),
        (
            gzip.compress(("a" * 900 + " 0 1\n").encode() * 12_000, 9, mtime=0),
            "unpacks to more than 200 times",
        ),
        ("version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
    ],
)
def test_broken(write: Callable[..., str], content: Any, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        sources.load(write(content))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("?word=3", "did you mean 'words'"),
        ("?words=none", "no number from 1"),
        ("?lowercase=x", "neither true nor"),
    ],
)
def test_options(write: Callable[..., str], options: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        sources.find(write(lines(), options=options))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        sources.find(f"vectors:{tmp_path / 'none.txt'}")
    with pytest.raises(SourceError, match="is a folder"):
        sources.find(f"vectors:{tmp_path}")


def test_a_file_that_changed(write: Callable[..., str]) -> None:
    source = sources.load(write(lines())).source
    write(lines(vectors=VECTORS[::-1]))
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load(source)


@pytest.mark.parametrize("options", ["?words=" + "1" * 300, "?words=" + "9" * 5_000, "x" * 300])
def test_names_that_there_cannot_be(write: Callable[..., str], options: str) -> None:
    with pytest.raises(SourceError, match=r"is no number from 1|its path cannot be one"):
        sources.find(write(lines(), options=options))
