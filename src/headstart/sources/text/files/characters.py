"""Records of character networks: a weight file, the characters' numbers, and what is said of both beside it.

    {"library": "headstart", "arch": "characters", "vocabulary": "vocab.json", "start": "<s>", "window": 40}

`vocabulary` is a JSON file beside the record: character -> number, from 1; 0 fills up. `start` is the one
that begins and ends texts. Tensors are named `embedding.weight`, `rnn_1.weight_ih_l0` ...,
`attention.weight`, `output.weight`, as textgenrnn names its layers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.core import untrusted
from headstart.core.generator import Writing
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities.text.preprocessing import TextPreprocessing, text_input
from headstart.sources.files import audit
from headstart.sources.files.weights import readable
from headstart.sources.text.files.vectors import LIBRARY

if TYPE_CHECKING:
    from torch import Tensor

ARCH = "characters"
UNKNOWN = "<unk>"
"""Number 0: fills up, and stands for characters without a number."""
LONGEST = 256
"""Characters of an answer, where the record does not say `longest`."""
_PLACES = re.compile(r"rnn_(\d+)\.")


def is_one(record: Mapping[str, Any]) -> bool:
    """Whether a record is of such a network."""
    return f"{record.get('library', '')}/{record.get('arch', '')}".strip("/") == f"{LIBRARY}/{ARCH}"


def numbers_at(record: Mapping[str, Any], weights: Path, spec: str) -> Path:
    """Where the characters' numbers lie. Raises `SourceError` for what is not beside the record."""
    name = record.get("vocabulary")
    if not isinstance(name, str) or Path(name.replace("\\", "/")).name != name:
        remedy = 'add it: "vocabulary": "vocab.json", a JSON file beside it of characters and their numbers'
        raise SourceError(spec, "its record names no file of characters", remedy)
    return weights.parent / name


def to_source(record: Mapping[str, Any], spec: str, weights: Path) -> Source:
    """The source that a record describes; sizes follow from the weights. Raises `SourceError`."""
    with readable(spec, "its characters cannot be read"):
        numbers = untrusted.read_object(numbers_at(record, weights, spec))
        window = int(record.get("window") or 0)
        start = str(record.get("start") or "")
        audit.check({"library": LIBRARY, "arch": ARCH, "kwargs": {"window": window}}, spec)
        if not numbers or not all(type(one) is int and one > 0 for one in numbers.values()):
            raise ValueError("a character has a number that is not a whole one from 1; 0 fills up")
        if (
            len(set(numbers.values())) < len(numbers)
            or start not in numbers
            or UNKNOWN in numbers
            or window < 1
        ):
            raise ValueError("its record must say start, one of the characters, and window, a length")
        return Source(
            spec=spec,
            name=str(record.get("name") or weights.stem),
            modality="text",
            architecture={"library": LIBRARY, "arch": ARCH, "kwargs": {"window": window}},
            input=TextPreprocessing(_tokenizer(numbers, start), max_length=window, pooling="last"),
            sha256=record.get("sha256"),
            licence=record.get("licence"),
            note=str(record.get("note") or ""),
            local=True,
            size_bytes=weights.stat().st_size,
            writes=True,
        )


def writing(record: Mapping[str, Any], source: Source, spec: str) -> Writing:
    """How it writes. Raises `SourceError`."""
    with readable(spec, "a field of its record cannot be used"):
        end = json.loads(text_input(source).encoder)["model"]["vocab"][record["start"]]
        longest = int(record.get("longest") or LONGEST)
        return Writing.from_json({"end": [end], "start": [], "longest": longest, "never": [0]})


def sized(source: Source, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The architecture, with its sizes. Raises `SourceError` for tensors of something else."""
    table, recurrent = tensors.get("embedding.weight"), tensors.get("rnn_1.weight_hh_l0")
    if table is None or recurrent is None or table.ndim != 2 or recurrent.ndim != 2:
        problem = "its tensors are not embedding.weight, rnn_1.weight_hh_l0 and so on"
        raise SourceError(source.spec, problem, "rename them, or name another architecture in its record")
    vocabulary, width = table.shape
    places = {int(found[1]) for name in tensors if (found := _PLACES.match(name))}
    sizes = {
        "vocabulary": vocabulary,
        "width": width,
        "hidden": recurrent.shape[1],
        "layers": len(places),
        **source.architecture["kwargs"],
    }
    return {**source.architecture, "kwargs": sizes}


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under the names of `networks.characters`."""
    found = {
        _PLACES.sub(lambda one: f"layers.{int(one[1]) - 1}.", name): one for name, one in tensors.items()
    }
    heads = ("attention.", "output.")
    return {name if name.startswith(heads) else f"reader.{name}": one for name, one in found.items()}


def _tokenizer(numbers: Mapping[str, int], start: str) -> str:
    """That of the package `tokenizers`: every character by itself, behind the start."""
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    first, one, two = (
        {"SpecialToken": {"id": start, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 1}},
    )
    content = {
        "version": "1.0",
        "added_tokens": [
            {"id": 0, "content": UNKNOWN, **special},
            {"id": numbers[start], "content": start, **special},
        ],
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": "[\\s\\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, one],
            "pair": [first, one, two],
            "special_tokens": {start: {"id": start, "ids": [numbers[start]], "tokens": [start]}},
        },
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": {UNKNOWN: 0, **numbers}, "unk_token": UNKNOWN},
    }
    return json.dumps(content)
