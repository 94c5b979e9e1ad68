"""Model -> ONNX: one file that takes prepared pixels or tokens and gives predictions, proved on the probes.

The graph holds normalisation, network, temperature and activation. Resizing and cutting images is not in it:
how to do them is in the metadata, and in a JSON file of the same name beside it, under "preparation".
Neither is the tokenizer: it lies beside the graph as NAME.tokenizer.json.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities, nets, tasks
from headstart._lazy import optional
from headstart.core.files import write_json
from headstart.core.model import Model
from headstart.core.source import Signature
from headstart.errors import BadOption, ExportError, ExportMismatch, HeadstartError, PathError
from headstart.export.files.graph import FORMAT, OUTPUT, VERSION, companion, digest_of
from headstart.export.files.schema import difference, shareable, tolerance
from headstart.export.files.staging import staged
from headstart.predict.predictor import Predictor
from headstart.tasks.base import Places, TaskMethods

OPSET = 18
BATCH = "N"
BATCHES = (1, 2, 3, 7)
"""Batch sizes the probes are run in, so that no size is baked into the graph."""


def export_onnx(model: Model, path: Path | str, *, probes: np.ndarray) -> Path:
    """Write `model` as ONNX to `path`, and its description to the same name ending in .json.

    Input `pixels`: uint8 `[N, 3, H, W]`, or `tokens`: int32 `[N, channels, T]` (tokens, mask, types), as
    `headstart.modalities` prepares them. Output `predictions`: float32 `[N, K]`, probabilities or values; of
    maps `[N, K, h, w]`, of boxes rows `[N, M, 6]`, which the description says how to read.
    `probes` (a prepared batch) are run through onnxruntime in several batch sizes (and lengths) and compared
    with the model.

    Raises `MissingExtra` without the packages of the extra "export", `ExportError` when the network
    cannot be expressed, `ExportMismatch` when the copy differs by more than 1e-4 in probability
    (1e-3 of the largest value for regression). Nothing is left behind then.
    """
    target = Path(path).expanduser()
    methods = tasks.for_task(model.task)
    if methods.form and not isinstance(methods, Places):
        said = "its answers are texts, which code around the network writes or chooses step by step"
        raise ExportError(target, f"{said}: a graph holds the network alone")
    if target.suffix.lower() != ".onnx":
        raise BadOption("the name of the exported file", target.name, "one that ends in .onnx")
    for module in ("onnx", "onnxscript", "onnxruntime"):
        optional(module, extra="export", needed_for="export to ONNX")
    expected = Predictor(model, device="cpu").scores(probes)
    description = describe(model, expected.shape[1:])
    beside = target.with_suffix(".json")
    others = {companion(target, name): raw for name, raw in model.input.alone().files().items()}
    _check_targets(target, beside, others)
    with staged(target, beside, *others) as room:
        _write(model, room / target.name, description)
        batches = lengths(probes, model.input.signature())
        worst = max(parity(room / target.name, batch, expected, methods) for batch in batches)
        compared = methods.aligned(expected, expected)[1] if isinstance(methods, Places) else expected
        allowed = tolerance(model.task, compared)
        if not worst <= allowed:
            raise ExportMismatch(target, worst, allowed)
        more = {"evidence": dict(model.evidence), "graph": digest_of(room / target.name)}
        write_json(room / beside.name, description | more)
        for place, raw in others.items():
            (room / place.name).write_bytes(raw)
    return target


def describe(model: Model, answer: tuple[int, ...]) -> dict[str, Any]:
    """What a program needs besides the graph, whose answers have that shape, as JSON."""
    methods = tasks.for_task(model.task)
    how = {"reading": dict(methods.reading)} if isinstance(methods, Places) else {}
    reads, entry = model.input.alone(), model.input.signature()
    return {
        "format": FORMAT,
        "version": VERSION,
        "task": model.task.to_json(),
        "preprocessing": reads.to_json(),
        "preparation": modalities.get(reads.modality).described(reads),
        "input": {"name": entry.name, "type": entry.dtype, "shape": [BATCH, *entry.shape]},
        "output": {"name": OUTPUT, "type": "float32", "shape": [BATCH, *answer], **how},
        "note": "`preparation` says step by step how an item becomes the input; `preprocessing` holds the "
        "numbers of the source",
        "source": shareable(model.source),
        "fingerprint": model.fingerprint(),
    }


def _check_targets(target: Path, beside: Path, others: Iterable[Path]) -> None:
    """Raises `PathError` when something that is not an earlier export is in the way."""
    if target.exists() and not target.is_file():
        raise PathError(target, "exists and is not a file", "choose another name")
    if beside.exists() and not (beside.is_file() and FORMAT.encode() in beside.read_bytes()[:4096]):
        raise PathError(beside, "exists and is not the description of an export", "choose another name")
    for other in others:
        if other.exists() and not beside.exists():
            raise PathError(other, "exists and is not that of an earlier export", "choose another name")


def _write(model: Model, place: Path, description: Mapping[str, Any]) -> None:
    """Export, add the metadata, write. Raises `ExportError`."""
    import onnx
    import torch

    net = nets.assemble(model.net, model.tensors, model.input, model.task)
    entry = model.input.signature()
    try:
        with _quiet(), torch.inference_mode(False), torch.no_grad():
            program = torch.onnx.export(
                net,
                (torch.from_numpy(entry.blank(2)),),
                input_names=[entry.name],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=(_varying(entry),),
                external_data=False,
                verbose=False,
            )
            assert program is not None
            proto = program.model_proto
    except HeadstartError:
        raise
    except Exception as error:  # the exporter raises whatever its many parts raise
        raise ExportError(place.name, _first_line(error)) from error
    proto.producer_name, proto.doc_string = "headstart", ""
    _strip(proto.graph)
    texts = {
        f"headstart.{key}": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in description.items()
    }
    onnx.helper.set_model_props(proto, texts)
    try:
        onnx.save_model(proto, str(place))
    except ValueError as error:  # protocol buffers end at 2 GB
        raise ExportError(
            place.name, "the network is larger than 2 GB, the most one file can hold"
        ) from error


def _varying(entry: Signature) -> dict[int, Any]:
    """The axes of a batch that may have another length: its own, and those with a name."""
    import torch

    named = {axis: name for axis, name in enumerate(entry.shape, start=1) if isinstance(name, str)}
    return {0: torch.export.Dim(BATCH, min=1, max=2**20)} | {
        axis: torch.export.Dim(name, min=2, max=entry.longest) for axis, name in named.items()
    }


def _strip(graph: Any) -> None:
    """Remove what the exporter notes about this machine: source lines, paths of its files."""
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def lengths(probes: np.ndarray, entry: Signature) -> list[np.ndarray]:
    """The probes, and where their length varies the same filled up to another: their answers are the same."""
    more = [(0, int(isinstance(axis, str) and length < entry.longest))
            for axis, length in zip(entry.shape, probes.shape[1:], strict=True)]  # fmt: skip
    return [probes, np.pad(probes, [(0, 0), *more])] if any(end for _, end in more) else [probes]


def parity(path: Path, probes: np.ndarray, expected: np.ndarray, methods: TaskMethods) -> float:
    """Largest difference from `expected` over several batch sizes. Raises `ExportError`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    worst = 0.0
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0].name
        for size in sorted({min(size, len(probes)) for size in (*BATCHES, len(probes))}):
            parts = [probes[start : start + size] for start in range(0, len(probes), size)]
            found = np.concatenate([session.run([OUTPUT], {entry: part})[0] for part in parts])
            pair = methods.aligned(found, expected) if isinstance(methods, Places) else (found, expected)
            worst = max(worst, difference(*pair))
    except Exception as error:  # onnxruntime's own exceptions derive from Exception directly
        raise ExportError(path.name, f"onnxruntime cannot run it: {_first_line(error)}") from error
    return worst


def _first_line(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = str(cause).strip().splitlines()
    return lines[0][:200] if lines else type(cause).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's prints, warnings and log lines from the user; put everything back."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
