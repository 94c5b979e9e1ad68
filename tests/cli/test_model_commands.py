"""predict, evaluate, export and verify, through the front door."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart import cli
from headstart.export import bundle
from headstart.export.files import graph
from headstart.predict.predictor import Predictor
from made.models import tiny_images, tiny_model, tiny_task

IMAGES = tiny_images(6)


@pytest.fixture
def headstart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Call the command line: (exit code, stdout, stderr)."""
    monkeypatch.setattr(cli, "COMMANDS", ("predict", "evaluate", "export", "verify"))

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["headstart", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return call


def save(folder: Path, kind: str = "classification", labels: list[str] | None = None) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "_reopen", lambda place, target: None)
        return bundle.save(tiny_model(task=tiny_task(kind, labels)), folder / f"{kind}.zip", probes=IMAGES)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("m"), labels=["ant", "bee, wild", "wasp"])


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    return Predictor(tiny_model(), device="cpu").scores(IMAGES)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, scores: np.ndarray) -> Path:
    """Class folders by what the model says, so that it is always right, but for one image."""
    root = tmp_path_factory.mktemp("p") / "photos"
    for number, (image, row) in enumerate(zip(IMAGES, scores, strict=True)):
        label = ["ant", "bee, wild", "wasp"][int(row.argmax()) if number else int(row.argmin())]
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(root / label / f"{number}.png")
    return root


def test_predict_prints_a_table(headstart, model: Path, photos: Path) -> None:
    code, out, err = headstart("predict", model, photos)
    lines = out.splitlines()
    assert code == 0
    assert err == ""
    assert lines[0].split() == ["file", "prediction", "probability"]
    assert len(lines) == 7
    assert len({len(line.rstrip()) for line in lines[1:]}) == 1  # aligned


def test_predict_as_csv(headstart, model: Path, photos: Path, scores: np.ndarray) -> None:
    code, out, _ = headstart("predict", model, photos, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) == 6
    for row in rows:
        expected = scores[int(Path(row["file"]).stem)]
        found = [float(row[f"p:{label}"]) for label in ("ant", "bee, wild", "wasp")]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert float(row["probability"]) == pytest.approx(expected.max(), abs=1e-5)


def test_predict_top(headstart, model: Path, photos: Path) -> None:
    _, out, _ = headstart("predict", model, photos, "-f", "csv", "--top", 2)
    header = out.splitlines()[0].split(",")
    assert header == ["file", "label_1", "probability_1", "label_2", "probability_2", "unread", "error"]
    _, out, _ = headstart("predict", model, photos, "-f", "json", "--top", 1)
    assert all(len(row["probabilities"]) == 1 for row in json.loads(out)["predictions"])
    _, out, _ = headstart("predict", model, photos, "--top", 9)
    assert out.splitlines()[1].count(".") >= 3


def test_predict_goes_on_past_unreadable_files(headstart, model: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    good = next(photos.rglob("*.png"))
    code, out, err = headstart("predict", model, tmp_path / "bad.jpg", good, tmp_path / "gone", "-f", "json")
    rows = json.loads(out)["predictions"]
    assert code == 0
    assert ["error" in row for row in rows] == [True, False, True]
    assert sum(rows[1]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert err.count("\n") == 1
    assert "2 of 3 could not be predicted" in err
    code, _, err = headstart("predict", model, tmp_path / "bad.jpg")
    assert code == 2
    assert "1 of 1" in err


def test_predict_into_a_file(headstart, model: Path, photos: Path, tmp_path: Path) -> None:
    code, out, _ = headstart("predict", model, photos, "-f", "csv", "-o", tmp_path / "out.csv")
    assert (code, out) == (0, "")
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 7
    code, _, err = headstart("predict", model, photos, "-o", tmp_path / "no" / "out.csv")
    assert code == 2
    assert "folder that exists" in err
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize(("kind", "column"), [("multilabel", "labels"), ("regression", "value")])
@pytest.mark.parametrize("format", ["table", "csv", "json"])
def test_other_tasks(headstart, tmp_path: Path, photos: Path, kind: str, column: str, format: str) -> None:
    code, out, _ = headstart("predict", save(tmp_path, kind), photos, "-f", format)
    assert code == 0
    if format == "csv":
        assert column in out.splitlines()[0].split(",")
    elif format == "json":
        assert all(column in row for row in json.loads(out)["predictions"])
    else:
        assert len(out.splitlines()) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "MODEL", "x.png", "--format", "xml"), "table, csv, json"),
        (("predict", "/no/model", "x.png"), "there is no model here"),
        (("verify", "/no/model"), "there is no model here"),
        (("export", "MODEL"), "--onnx"),
        (("export", "MODEL", "--onnx", "-o", "model.pt"), ".onnx"),
        (("evaluate", "MODEL", "/no/data"), "/no/data"),
        (("evaluate", "MODEL", "/no/data", "-f", "xml"), "table or json"),
        (("predict", "MODEL"), "FILES"),
    ],
)
def test_mistakes_are_one_sentence(headstart, model: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = headstart(*(model if word == "MODEL" else word for word in arguments))
    assert code == 2
    assert out == ""
    assert message in err
    assert err.startswith("headstart: ")
    assert err.count("\n") == 1


def test_evaluate(headstart, model: Path, photos: Path) -> None:
    code, out, _ = headstart("evaluate", model, photos)
    assert code == 0
    assert "83.3 %" in out
    assert " taken for " in out
    code, out, _ = headstart("evaluate", model, photos, "--format", "json")
    found = json.loads(out)
    assert found["headline"]["value"] == pytest.approx(5 / 6)
    assert found["headline"]["low"] < 5 / 6 < found["headline"]["high"]
    code, _, err = headstart("evaluate", model, photos, "--split", "test")
    assert code == 2
    assert "no test split" in err


def test_evaluate_names_labels_the_model_does_not_know(
    headstart, model: Path, photos: Path, tmp_path: Path
) -> None:
    for label in ("ants", "beetle"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.png").write_bytes(next(photos.rglob("*.png")).read_bytes())
    code, _, err = headstart("evaluate", model, tmp_path)
    assert code == 2
    assert "does not know 2 of its labels: 'ants', 'beetle'; did you mean 'ant'" in err


def test_evaluate_prefers_the_test_part(headstart, model: Path, photos: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        for file in photos.rglob("*.png"):
            if part == "test" and file.stem == "0":
                continue  # the one that the model gets wrong
            target = tmp_path / part / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    found = json.loads(headstart("evaluate", model, tmp_path, "-f", "json")[1])
    assert (found["split"], found["n"], found["headline"]["value"]) == ("test", 5, 1.0)
    found = json.loads(headstart("evaluate", model, tmp_path, "-f", "json", "--split", "train")[1])
    assert (found["split"], found["n"]) == ("train", 6)


def test_verify(headstart, model: Path, tmp_path: Path) -> None:
    code, out, _ = headstart("verify", model)
    assert code == 0
    assert "6 probes" in out
    code, out, _ = headstart("verify", model, "--json")
    assert json.loads(out)["passed"] is True
    broken = tmp_path / "broken.zip"
    broken.write_bytes(model.read_bytes()[:-3000])
    code, out, err = headstart("verify", broken)
    assert (code, out) == (2, "")
    assert "not a readable archive" in err


def test_export(headstart, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    copy = Path(shutil.copy(model, tmp_path / "best.zip"))
    monkeypatch.chdir(tmp_path)
    for out_of_it in ((), ("--out", "folder"), ("--out", "named.onnx")):
        code, out, err = headstart("export", copy.name, "--onnx", *out_of_it)
        assert (code, err) == (0, "")
        assert out.count(".onnx: the same answers") == 1
    written = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file() and p != copy)
    assert written == [
        *(f"best-onnx/model.{ending}" for ending in ("json", "onnx")),
        *(f"folder/model.{ending}" for ending in ("json", "onnx")),
        *(f"named.{ending}" for ending in ("json", "onnx")),
    ]
    code, _, err = headstart("export", copy, "--onnx", "--out", "model.pt")
    assert code == 2
    assert "ends in .onnx" in err


def test_where_an_exported_model_stands(tmp_path: Path) -> None:
    assert (
        graph.beside(tmp_path / "flowers-1" / "model") == tmp_path / "flowers-1" / "model-onnx" / "model.onnx"
    )
    assert graph.beside(tmp_path / "best.v2.zip") == tmp_path / "best.v2-onnx" / "model.onnx"


def test_a_table_of_paths_or_of_pictures_has_an_answer_a_row(
    headstart, model: Path, photos: Path, tmp_path: Path
) -> None:
    import polars as pl

    files = sorted(path for path in photos.rglob("*.png"))
    pictures, labels = [path.read_bytes() for path in files], [path.parent.name for path in files]
    pl.DataFrame({"file": list(map(str, files)), "label": labels}).write_csv(tmp_path / "list.csv")
    pl.DataFrame({"image": pictures, "label": labels}).write_parquet(tmp_path / "held.parquet")
    wanted = [
        row["label"]
        for row in json.loads(headstart("predict", model, *files, "-f", "json")[1])["predictions"]
    ]
    for table in (tmp_path / "list.csv", tmp_path / "held.parquet"):
        code, out, err = headstart("predict", model, table, "-f", "json")
        assert (code, err) == (0, "")
        assert [row["label"] for row in json.loads(out)["predictions"]] == wanted
        assert headstart("evaluate", model, table)[0] == 0
    code, out, _ = headstart("predict", model, tmp_path / "list.csv", "--path-column", "file", "-f", "csv")
    assert (code, len(out.splitlines())) == (0, 1 + len(files))


def test_an_address_is_not_fetched(headstart, model: Path) -> None:
    code, _, err = headstart("predict", model, "https://example.org/a.png")
    assert code == 2
    assert "https://example.org/a.png: addresses are not fetched: download it first" in err


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model with BatchNorm that says each label of some pictures, and those."""
    where, images = tmp_path_factory.mktemp("n"), tiny_images(20)
    model = tiny_model("taps")
    p = Predictor(model, device="cpu").scores(images)
    model = replace(
        model, tensors={**model.tensors, "head.bias": model.tensors["head.bias"] - np.log(p).mean(0)}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "_reopen", lambda place, target: None)
        path = bundle.save(model, where / "m.zip", probes=images)
    (where / "new").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(where / "new" / f"{number:02}.png")
    return path, where / "new"


@pytest.mark.parametrize("how", ["batchnorm", "entropy"])
def test_predict_tells_how_it_adapted(headstart, network: tuple[Path, Path], how: str) -> None:
    model, new = network
    code, out, err = headstart("predict", model, new, "--adapt", how, "-f", "json")
    told = json.loads(out)["adapted"]
    assert code == 0
    assert (told["method"], told["items"]) == (how, 20)
    assert f"adapted by {how} to 20 items: statistics of the first" in err
    assert f"{100 * told['changed']:.1f} % of their labels changed" in err
    code, out, err = headstart("predict", model, new, "-f", "json")
    assert "adapted" not in json.loads(out)
    assert err == ""


def test_predict_refuses_to_adapt_in_one_sentence(headstart, network: tuple[Path, Path], model: Path) -> None:
    _, new = network
    code, out, err = headstart("predict", network[0], new / "00.png", "--adapt", "batchnorm")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "left out: 1 item can be read, and it takes 16" in err
    code, _, err = headstart("predict", model, new, "--adapt", "entropy")
    assert code == 2
    assert "no norm layers" in err
    code, _, err = headstart("predict", model, new, "--adapt", "batchnrm")
    assert code == 2
    assert "did you mean 'batchnorm'?" in err
