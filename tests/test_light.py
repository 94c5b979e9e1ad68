"""The exported model that answers without torch: the same answers, and nothing else loaded."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import cli, light
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.errors import BundleError, PathError
from headstart.export import bundle
from headstart.export.files.graph import beside
from headstart.export.model import load_model
from headstart.export.onnx import export_onnx
from headstart.modalities import audio, text
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing
from made.models import tiny_images, tiny_model, tiny_task

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

WORDS = ("late", "broken", "lovely", "thanks")
TEXTS = ["so late", "broken, late", "lovely", "thanks a lot", "late " * 40, ""]


def of_texts(*, pairs: bool = False) -> Model:
    rng, width = np.random.default_rng(0), 2 * len(WORDS) + 3 if pairs else len(WORDS)
    tensors = {
        "words.idf": np.ones(len(WORDS), np.float32),
        "head.weight": rng.normal(size=(2, width)).astype(np.float32),
        "head.bias": np.zeros(2, np.float32),
    }
    reads = TextPreprocessing(WordEncoder(WORDS).to_json(), max_length=16)
    held = {"true": [0.5, 0.9] * 40, "top": [0.6, 0.9] * 40, "right": [0.0, 1.0] * 40}
    evidence = {"data": {"pairs": pairs}, "held_out": held}
    return Model(
        Task("classification", ("0", "1"), "accuracy", label_type="int"),
        reads,
        {"kind": "words", "pairs": pairs},
        tensors,
        evidence=evidence,
    )


def of_sounds() -> Model:
    rng, reads = np.random.default_rng(0), AudioPreprocessing("whisper", mels=20, seconds=2.0, longest=4.0)
    wide = 4 * reads.bands
    tensors = {
        "bands.mean": rng.normal(size=wide).astype(np.float32),
        "bands.sd": np.ones(wide, np.float32),
        "head.weight": rng.normal(0, 0.2, (3, wide)).astype(np.float32),
        "head.bias": np.zeros(3, np.float32),
    }
    return Model(tiny_task(), reads, {"kind": "bands"}, tensors)


def saved(model: Model, place: Path, probes: np.ndarray) -> Path:
    """The bundle and, where `headstart export` puts it, the exported model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "_reopen", lambda place, target: None)
        path = bundle.save(model, place, probes=probes)
    assert load_model(path).export() == beside(path)
    return path


def of_sentences(model: Model) -> np.ndarray:
    return text.collate([text.prepare(one.encode(), model.input) for one in TEXTS[:4]])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, image in enumerate(tiny_images(6, side=48, seed=3)):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number}.png")
    Image.fromarray(np.zeros((8, 900, 3), np.uint8)).save(folder / "6 panorama.jpg")
    deep = (np.arange(40 * 40).reshape(40, 40) * 40).astype(np.uint16)
    Image.fromarray(deep).save(folder / "7 deep.png")
    (folder / "8 broken.jpg").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = replace(tiny_model("taps", temperature=1.4), evidence=of_texts().evidence)
    return saved(model, tmp_path_factory.mktemp("i") / "flowers", tiny_images(4))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = of_texts()
    return saved(model, tmp_path_factory.mktemp("t") / "texts.zip", of_sentences(model))


def assert_alike(path: Path, inputs: Any) -> None:
    found, wanted = light.load(beside(path).parent).predict(inputs), load_model(path).predict(inputs)
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        assert (one.id, one.error, one.unread) == (other.id, other.error, other.unread)
        assert type(one.answer) is type(other.answer)
        assert one.answer == (
            pytest.approx(other.answer, abs=1e-3) if found.task.kind == "regression" else other.answer
        )
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
    assert np.isfinite(found.scores).any()


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_other_tasks_on_pictures(tmp_path: Path, photos: Path, kind: str) -> None:
    reads = replace(tiny_model().input, levels=(0.0, 65535.0), crop_mode="border")
    model = tiny_model("rbf", tiny_task(kind), input=reads)
    assert_alike(saved(model, tmp_path / "model", tiny_images(3)), [photos, photos / "gone.png"])


def test_classes_of_pictures(images: Path, photos: Path) -> None:
    assert_alike(images, [photos, photos / "*.jpg"])
    assert_alike(images, list(tiny_images(3).transpose(0, 2, 3, 1)))


def test_texts(texts: Path, tmp_path: Path) -> None:
    assert_alike(texts, TEXTS)
    (tmp_path / "a.txt").write_text("lovely", encoding="utf-8")
    (tmp_path / "b.csv").write_text("text\nlovely\nlate\n", encoding="utf-8")
    assert_alike(texts, [tmp_path / "a.txt", tmp_path / "b.csv"])
    assert_alike(texts, [("a pair", "which it does not read, and says so"), "lovely"])


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("pairs", ["joint", "apart"])
def test_the_tokenizer_beside_a_graph_cuts_alike(family: str, pairs: str) -> None:
    pytest.importorskip("tokenizers")
    from made.pretrained import WORDS as KNOWN
    from made.pretrained import tokenizer

    reads = TextPreprocessing(tokenizer(family).to_str(), max_length=7, prefix="of: ", pairs=pairs)
    alone = reads.alone()
    again = TextPreprocessing.from_json(json.loads(json.dumps(alone.to_json())), alone.files())
    words = " ".join(KNOWN[:9])
    for one in (
        text.Text(words),
        text.Text(KNOWN[0]),
        text.Text(words, KNOWN[1]),
        text.Text(KNOWN[2], words),
    ):
        if pairs == "apart" and one.second is None:
            continue
        found, wanted = (text.prepare(one, contract) for contract in (again, reads))
        np.testing.assert_array_equal(found, wanted)
        assert text.count(one, again) == text.count(one, reads)
        assert text.unread(one, found, again) == text.unread(one, wanted, reads)


def test_sounds(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    model = of_sounds()
    path = saved(model, tmp_path / "sounds", audio.dummy_batch(model.input, 3))
    for number in range(3):
        wave = np.sin(np.arange(9_000 + 70_000 * number) / (4 + number))
        (tmp_path / f"{number}.wav").write_bytes(audio.as_bytes((wave, 16_000)))
    assert_alike(path, [tmp_path / "0.wav", tmp_path / "*.wav"])


ALONE = """
import sys
from headstart import light
found = light.load(sys.argv[1]).predict(sys.argv[2:])
heavy = {"torch", "torchvision", "timm", "polars", "scipy", "sklearn", "transformers", "pandas", "onnx"}
print(*found.answers, *heavy.intersection(sys.modules))
"""


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_nothing_heavy_is_loaded(request: pytest.FixtureRequest, photos: Path, kind: str) -> None:
    path = request.getfixturevalue(kind)
    given = [str(photos / "0.png"), str(photos / "1.png")] if kind == "images" else ["so late", "lovely"]
    command = [sys.executable, "-c", ALONE, str(beside(path).parent), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(map(str, load_model(path).predict(given).answers))


def test_the_command_loads_nothing_heavy(images: Path, photos: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "headstart", "predict", images, photos / "0.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"\| +(\w+)", done.stderr))
    assert {"headstart", "numpy", "onnxruntime"} <= loaded
    assert not loaded & {"torch", "torchvision", "timm", "polars", "scipy", "sklearn", "transformers"}


@pytest.fixture
def headstart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command line: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["headstart", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return call


NUMBER = re.compile(r"\d+\.\d+(?:e-\d+)?")


def assert_same_text(found: Any, wanted: Any) -> None:
    """But for the last digits of numbers."""
    (code, *told), (other, *tells) = found, wanted
    assert code == other
    for mine, theirs in zip(told, tells, strict=True):
        assert NUMBER.sub("#", mine).split() == NUMBER.sub("#", theirs).split()
        numbers = [list(map(float, NUMBER.findall(one))) for one in (mine, theirs)]
        np.testing.assert_allclose(*numbers, atol=1e-3)


OPTIONS = [
    ("-f", "table"),
    ("-f", "csv"),
    ("-f", "json"),
    ("-f", "csv", "--top", "2"),
    ("-f", "json", "--sets", "0.9"),
    ("-f", "table", "--sets", "0.6"),
    ("--risk", "0.49"),
    ("--risk", "0.001"),  # which so few items cannot show
    ("--text", "late"),  # where pictures are read
]


def test_predict_says_the_same(
    headstart: Any, images: Path, texts: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path(shutil.copytree(images, tmp_path / "plain"))
    assert light.of_bundle(images) is not None
    assert light.of_bundle(plain) is None
    for options in OPTIONS:
        calls = [headstart("predict", path, photos, "nowhere", *options) for path in (images, plain)]
        assert_same_text(*calls)
    other = Path(shutil.copy(texts, tmp_path / "texts.zip"))
    words = [part for one in TEXTS for part in ("--text", one)]
    for options in OPTIONS[:-1]:
        assert_same_text(*(headstart("predict", path, *words, *options) for path in (texts, other)))
    # the folder and the graph by themselves, and more than it is taken for
    for alone in (beside(images).parent, beside(images)):
        assert headstart("predict", alone, photos)[1] == headstart("predict", images, photos)[1]
    shutil.copytree(beside(images).parent, plain, dirs_exist_ok=True)
    assert light.of_bundle(plain) is None
    monkeypatch.setattr(light, "MOST", 2)
    monkeypatch.setattr(light.LightModel, "scores", None)  # it would not survive being asked
    monkeypatch.setattr(light.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert headstart("predict", images, photos)[0] == 0


def test_what_is_not_of_the_model_does_not_answer_for_it(
    headstart: Any, images: Path, photos: Path, tmp_path: Path
) -> None:
    path, place = tmp_path / "flowers", beside(tmp_path / "flowers").parent
    shutil.copytree(images, path)
    shutil.copytree(beside(images).parent, place)
    described = place / "model.json"
    assert light.of_bundle(path) is not None

    def still_answers() -> None:
        assert light.of_bundle(path) is None
        code, out, _ = headstart("predict", path, photos / "0.png", "-f", "json")
        assert code == 0
        assert json.loads(out)["predictions"][0]["label"] in tiny_task().labels

    said = json.loads(described.read_text(encoding="utf-8"))
    for changed in ({"fingerprint": "0" * 64}, {"graph": {}}, {"version": 2}, {"preprocessing": {}}):
        described.write_text(json.dumps(said | changed), encoding="utf-8")
        still_answers()
    described.write_text(json.dumps(said), encoding="utf-8")
    (place / "model.onnx").write_bytes((place / "model.onnx").read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match=r"not the one that its description is of.*export it again"):
        light.load(place)
    still_answers()
    other = export_onnx(tiny_model(seed=5), tmp_path / "other.onnx", probes=tiny_images(2))
    shutil.copy(other, place / "model.onnx")
    shutil.copy(other.with_suffix(".json"), described)
    assert light.load(place).labels == tiny_task().labels
    still_answers()
    described.unlink()
    with pytest.raises(PathError, match="no exported model"):
        light.load(place)
    still_answers()


def test_a_graph_that_does_not_run_is_one_sentence(tmp_path: Path, images: Path) -> None:
    place = Path(shutil.copytree(beside(images).parent, tmp_path / "flowers-onnx"))
    (place / "model.onnx").write_bytes(b"no graph")
    said = json.loads((place / "model.json").read_text(encoding="utf-8"))
    from headstart.export.files.graph import digest_of

    said["graph"] = digest_of(place / "model.onnx")
    (place / "model.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(BundleError, match="onnxruntime cannot run it"):
        light.load(place)
