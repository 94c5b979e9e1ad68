"""An exported network on disk: the graph, its description of the same name, files of its preprocessing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart import modalities
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.core.untrusted import Damaged, field, parsing, read_object
from headstart.errors import BundleError, PathError

FORMAT, VERSION = "headstart-onnx", 1
GRAPH = "model.onnx"
"""Its name in a folder of its own."""
OUTPUT = "predictions"


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported network and what is known of it, audited; nothing is run yet."""

    graph: Path
    model: Model
    """Without recipe and numbers: these are in the graph."""
    fingerprint: str
    """Of the model that was exported (`Model.fingerprint`)."""
    answer: tuple[int, ...]
    """Shape of what it gives of one item."""


def beside(bundle: Path) -> Path:
    """Where a bundle's graph is when no other place was named: "model-onnx/model.onnx" beside "model"."""
    place = bundle.absolute()
    return place.with_name(f"{place.name.removesuffix('.zip')}-onnx") / GRAPH


def companion(graph: Path, name: str) -> Path:
    """A file of the preprocessing: "model.tokenizer.json" beside "model.onnx"."""
    return graph.with_suffix(f".{name}")


def digest_of(graph: Path) -> dict[str, Any]:
    """Size and SHA-256, as the description has them. Raises `OSError`."""
    with graph.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": graph.stat().st_size}


def read(graph: Path) -> Exported:
    """What stands in the description, and whether the graph is the one that it was written for.

    Raises `PathError` where there is none, `BundleError` for what is damaged or of an earlier version.
    """
    described = graph.with_suffix(".json")
    if not graph.is_file() or not described.is_file():
        raise PathError(graph, "there is no exported model here", "write it: headstart export MODEL --onnx")
    again = "export it again: headstart export MODEL --onnx"
    try:
        with parsing():
            said = read_object(described)
            if said.get("format") != FORMAT or said.get("version") != VERSION:
                raise Damaged("it is not the description of an export that this version knows")
            about, reads = field(said, "graph", dict), field(said, "preprocessing", dict)
            kind = modalities.preprocessing_of(reads)
            kind.audit(reads)
            files = {name: companion(graph, name).read_bytes() for name in kind.FILES}
            model = Model(
                Task.from_json(field(said, "task", dict)),
                kind.from_json(reads, files),
                {},
                {},
                field(said, "source", dict),
                field(said, "evidence", dict),
            )
            fingerprint = str(field(said, "fingerprint", str))
            answer = tuple(int(side) for side in field(said, "output.shape", list)[1:])
    except Damaged as error:
        raise BundleError(described, f"cannot be read ({error})", again) from error
    except FileNotFoundError as error:
        raise BundleError(graph, f"{Path(str(error.filename)).name} is missing beside it", again) from error
    if digest_of(graph) != about:
        raise BundleError(graph, "is damaged, or not the one that its description is of", again)
    return Exported(graph, model, fingerprint, answer)
