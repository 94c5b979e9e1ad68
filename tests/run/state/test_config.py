from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from headstart import sources
from headstart.core.events import ignore
from headstart.core.source import Source
from headstart.data import load
from headstart.errors import BadOption, DataError, HeadstartError, SourceError, WeightsMissing
from headstart.modalities.image import PLAIN
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig


def test_other_weights_under_the_same_name_are_another_question(tmp_path: Path) -> None:
    weights, record = tmp_path / "net.safetensors", tmp_path / "net.json"
    save_file({"w": np.zeros(3, np.float32)}, weights)
    record.write_text(json.dumps({"library": "timm", "arch": "test_resnet", "input": 32}))
    source = sources.find(f"file:{weights}")
    first = resolve.weights(source)
    assert resolve.weights(source) == first
    save_file({"w": np.ones(3, np.float32)}, weights)
    second = resolve.weights(source)
    record.write_text(json.dumps({"library": "timm", "arch": "test_resnet", "input": 48}))
    assert len({first, second, resolve.weights(source)}) == 3


@pytest.mark.parametrize("kind", ["hf", "file"])
def test_a_changed_folder_is_another_question(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("transformers")
    from made.pretrained import write_model

    folder = write_model(tmp_path / "tiny", "bert", words=["rain", "soup"])
    source = sources.find(f"{kind}:{folder}")
    first = resolve.weights(source)
    assert first == resolve.weights(sources.apart(source))
    tensors = load_file(folder / "model.safetensors")
    save_file({name: value + 1 for name, value in tensors.items()}, folder / "model.safetensors")
    second = resolve.weights(source)
    (folder / "tokenizer_config.json").write_text("{}")
    assert len({first, second, resolve.weights(source)}) == 3


def test_a_source_that_compares_two_texts_wants_pairs(tmp_path: Path) -> None:
    path = tmp_path / "words.vec"
    path.write_text("2 2\nrain 1 0\nsoup 0 1\n")
    texts = load(["rain soup", "soup", "rain"], labels=[0, 1, 0])
    with pytest.raises(SourceError, match=r"single texts; name 'vectors:"):
        resolve.find_sources(RunConfig(texts, sources=(f"vectors:{path} apart",)), texts)


def test_weights_are_asked_for_before_the_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever agrees to a download at the terminal does not have the data read twice."""
    monkeypatch.delenv("HEADSTART_DOWNLOAD", raising=False)
    monkeypatch.setattr(sources, "find", lambda spec: Source(spec, "net", local=False, input=PLAIN))
    asked = RunConfig(str(tmp_path / "gone"), sources=("timm/net",))
    with pytest.raises(WeightsMissing, match="timm/net"):
        resolve.read(asked, {}, ignore)  # type: ignore[arg-type]
    with pytest.raises(HeadstartError, match="gone"):
        resolve.read(replace(asked, download=True), {}, ignore)  # type: ignore[arg-type]


def test_changed_word_vectors_are_another_question(tmp_path: Path) -> None:
    path = tmp_path / "words.vec"
    path.write_text("2 2\nrain 1 0\nsoup 0 1\n")
    first = resolve.weights(sources.find(f"vectors:{path}"))
    path.write_text("2 2\nrain 1 0\nsoup 1 1\n")
    assert resolve.weights(sources.find(f"vectors:{path}?words=2")) != first


def test_bundled_weights_are_known_by_their_digest() -> None:
    source = sources.find("bundled/strokes")
    assert resolve.weights(source) == source.sha256


def pictures(root: Path, counts: dict[tuple[str, str], int]) -> Path:
    rng = np.random.default_rng(0)
    for (part, label), count in counts.items():
        folder = root / part / label
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def test_dropping_goes_on_until_nothing_is_bad(tmp_path: Path) -> None:
    """The training item of a class with one goes; then its test item has a label nobody learns."""
    counts = {
        ("train", "a"): 4,
        ("train", "b"): 4,
        ("train", "rare"): 1,
        ("test", "a"): 2,
        ("test", "rare"): 1,
    }
    data = pictures(tmp_path / "data", counts)
    with pytest.raises(DataError, match="HS304"):
        resolve.read(RunConfig(str(data)), {}, ignore)  # type: ignore[arg-type]
    dataset, task, report = resolve.read(RunConfig(str(data), drop_bad=True), {}, ignore)  # type: ignore[arg-type]
    assert len(dataset) == 10
    assert len(report.dropped) == 2
    assert not report.errors
    assert "rare" not in {task.labels[i] for i in np.asarray(dataset.y)}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"budget": "90s"}, 90.0),
        ({"budget": 7}, 7.0),
        ({}, 600.0),
        ({"quality": "best"}, 2400.0),
        ({"quality": "best", "budget": "90s"}, 90.0),
    ],
)
def test_budgets(given: dict[str, Any], kept: float) -> None:

    assert RunConfig.of("photos", given).budget == kept


def test_a_budget_in_passes_is_that_of_the_slowest_source() -> None:
    asked = RunConfig.of("photos", {"budget": "2.5 passes"})
    assert asked.budget == float("inf")
    assert asked.measured({"a": 4.0, "b": 12.0}).budget == 30.0
    assert asked.measured({}).budget == float("inf")
    assert RunConfig.of("photos", {"budget": "1pass"}).passes == 1.0
    assert RunConfig.of("photos", {"budget": "1min"}).measured({"a": 4.0}).budget == 60.0


@pytest.mark.parametrize(
    "given", [{"budget": "0passes"}, {"budget": "passes"}, {"quality": "good"}, {"until": float("nan")}, {"until": "x"}]
)  # fmt: skip
def test_what_cannot_be_aimed_at(given: dict[str, Any]) -> None:
    with pytest.raises(BadOption):
        RunConfig.of("photos", given)


def test_what_was_aimed_at_is_in_the_command_again(tmp_path: Path) -> None:
    asked = RunConfig.of("photos", {"budget": "3passes", "quality": "fast", "until": 0.95})
    command = asked.command(tmp_path)
    assert "--budget 3passes --quality fast --until 0.95 " in command
    assert asked.aim == "fast until 0.95"
    assert RunConfig.of("photos", {}).aim == ""
    assert "--quality" not in RunConfig.of("photos", {}).command(tmp_path)


def test_a_goal_that_the_metric_cannot_reach() -> None:
    data = load(["rain soup", "soup", "rain", "sun"] * 3, labels=["a", "b", "a", "b"] * 3)
    assert resolve.judged_task(RunConfig(data, until=0.95), data).metric == "accuracy"
    assert resolve.judged_task(RunConfig(data, until=1.2, metric="log-loss"), data).metric == "log loss"
    with pytest.raises(BadOption, match="accuracy can have: 0 to 1"):
        resolve.judged_task(RunConfig(data, until=95), data)


def test_another_metric_is_another_question_and_the_default_is_none() -> None:
    data = load(["rain soup", "soup", "rain", "sun"] * 3, labels=["a", "b", "a", "b"] * 3)
    questions = [
        resolve.question(RunConfig(data, metric=metric), data, {}) for metric in (None, "accuracy", "f1")
    ]
    assert questions[0] == questions[1]
    assert {**questions[0], "metric": "F1"} == questions[2]
