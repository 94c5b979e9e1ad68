from __future__ import annotations

import json
import logging
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart import tasks
from headstart.errors import BadOption, ExportError, ExportMismatch, MissingExtra, PathError
from headstart.export import onnx as exporter
from headstart.modalities.text import PLAIN
from headstart.predict.predictor import Predictor
from made.models import tiny_images, tiny_model, tiny_task

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

PROBES = tiny_images(5)


def run(path: Path, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})[0]


@pytest.mark.parametrize(
    ("kind", "task"), [("constant", "classification"), ("pixels", "multilabel"), ("rbf", "regression")]
)
def test_parity_on_images_it_has_not_seen(tmp_path: Path, kind: str, task: str) -> None:
    temperature = 1.6 if task != "regression" else None
    model = tiny_model(kind, tiny_task(task), temperature=temperature)
    path = exporter.export_onnx(model, tmp_path / "model.onnx", probes=PROBES)
    images = tiny_images(9, seed=7)
    expected = Predictor(model, device="cpu").scores(images)
    np.testing.assert_allclose(run(path, images), expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(run(path, images[:1]), expected[:1], atol=1e-5, rtol=1e-5)


def test_average(tmp_path: Path) -> None:
    model = tiny_model("average")
    path = exporter.export_onnx(model, tmp_path / "model.onnx", probes=PROBES)
    np.testing.assert_allclose(run(path, PROBES), Predictor(model, device="cpu").scores(PROBES), atol=1e-5)


@pytest.mark.parametrize("kind", ["taps", "classifier"])
def test_networks_with_a_trunk(tmp_path: Path, kind: str) -> None:
    model = tiny_model(kind, temperature=0.8)
    path = exporter.export_onnx(model, tmp_path / "model.onnx", probes=PROBES)
    images = tiny_images(7, seed=8)
    np.testing.assert_allclose(run(path, images), Predictor(model, device="cpu").scores(images), atol=1e-5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny_model(task=tiny_task(labels=["Ärger", "蜂", "🐝"]))
    return exporter.export_onnx(model, tmp_path_factory.mktemp("o") / "model.onnx", probes=PROBES)


def test_the_file_describes_itself(exported: Path) -> None:
    content = onnx.load(exported)
    onnx.checker.check_model(content)
    assert next(o.version for o in content.opset_import if not o.domain) >= 18
    (given,) = content.graph.input
    assert given.name == "pixels"
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["N", 3, 32, 32]
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    notes = {entry.key: entry.value for entry in content.metadata_props}
    assert json.loads(notes["headstart.task"])["labels"] == ["Ärger", "蜂", "🐝"]
    assert json.loads(notes["headstart.preprocessing"])["size"] == [32, 32]
    beside = json.loads(exported.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside["preparation"]["resize"]["antialias"] is True
    assert len(beside["preparation"]["steps"]) == 6
    assert json.loads(notes["headstart.preparation"]) == beside["preparation"]
    assert beside["task"] == json.loads(notes["headstart.task"])
    assert sorted(p.name for p in exported.parent.iterdir()) == ["model.json", "model.onnx"]


def test_nothing_of_this_machine_is_in_the_file(exported: Path) -> None:
    raw = exported.read_bytes()
    for text in (__file__, str(Path.home()) + "/", "site-packages", "stack_trace", str(exported.parent)):
        assert text.encode() not in raw


def test_the_exporter_is_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    exporter.export_onnx(tiny_model("constant"), tmp_path / "model.onnx", probes=PROBES)
    assert capfd.readouterr() == ("", "")
    assert all(record.levelno <= logging.DEBUG for record in caplog.records)
    assert logging.root.manager.disable == 0


def test_the_same_model_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    model = tiny_model(task=tiny_task(labels=["Ärger", "蜂", "🐝"]))
    again = exporter.export_onnx(model, tmp_path / "model.onnx", probes=PROBES)
    assert again.read_bytes() == exported.read_bytes()


# refusal


def wrong_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is exported is another model than the one that answered the probes."""
    other = tiny_model(seed=1)

    def assemble(net: object, tensors: object, *rest: object) -> object:
        from headstart import nets

        return nets.assemble(other.net, other.tensors, *rest)

    monkeypatch.setattr(exporter, "nets", types.SimpleNamespace(assemble=assemble))


def test_other_answers_are_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_net(monkeypatch)
    with pytest.raises(ExportMismatch, match="not kept"):
        exporter.export_onnx(tiny_model(), tmp_path / "new" / "model.onnx", probes=PROBES)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_refused_export_leaves_the_older_one(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in exported.parent.iterdir()}
    wrong_net(monkeypatch)
    with pytest.raises(ExportMismatch):
        exporter.export_onnx(tiny_model(), exported, probes=PROBES)
    assert {p.name: p.read_bytes() for p in exported.parent.iterdir()} == before


def test_a_baked_in_batch_size_is_noticed(exported: Path, tmp_path: Path) -> None:
    """The probes are run in several batch sizes, so a graph for one size does not pass."""
    content = onnx.load(exported)
    content.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 5
    path = tmp_path / "model.onnx"
    onnx.save_model(content, str(path))
    model = tiny_model()
    expected = Predictor(model, device="cpu").scores(PROBES)
    with pytest.raises(ExportError, match="onnxruntime cannot run it"):
        exporter.parity(path, PROBES, expected, tasks.for_task(model.task))


def test_what_cannot_be_exported_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("operator aten::strange is not known\nand 200 lines more")

    monkeypatch.setattr(torch.onnx, "export", broken)
    with pytest.raises(ExportError, match="aten::strange is not known") as caught:
        exporter.export_onnx(tiny_model(), tmp_path / "model.onnx", probes=PROBES)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_bad_targets(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"ends in \.onnx"):
        exporter.export_onnx(tiny_model(), tmp_path / "model.pt", probes=PROBES)
    (tmp_path / "a.json").write_text("my settings", encoding="utf-8")
    with pytest.raises(PathError, match="not the description of an export"):
        exporter.export_onnx(tiny_model(), tmp_path / "a.onnx", probes=PROBES)
    (tmp_path / "b.onnx").mkdir()
    with pytest.raises(PathError, match="not a file"):
        exporter.export_onnx(tiny_model(), tmp_path / "b.onnx", probes=PROBES)
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "my settings"
    (tmp_path / "c.tokenizer.json").write_text("{}", encoding="utf-8")
    texts = replace(tiny_model("constant"), input=PLAIN)
    with pytest.raises(PathError, match="not that of an earlier export"):
        exporter.export_onnx(texts, tmp_path / "c.onnx", probes=np.ones((2, 3, 4), np.int32))
    assert not (tmp_path / "c.onnx").exists()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"headstart\[export\]"):
        exporter.export_onnx(tiny_model(), tmp_path / "model.onnx", probes=PROBES)
