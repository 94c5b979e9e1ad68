from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.core.model import Model
from headstart.errors import BundleError, ExportMismatch, HeadstartError, PathError, RunError
from headstart.export import bundle
from headstart.predict.predictor import Predictor
from made.models import tiny_images, tiny_model, tiny_task
from warm import prove_here

PROBES = tiny_images(4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder bundle that went through the whole of `save`, fresh process included."""
    return bundle.save(tiny_model(temperature=1.7), tmp_path_factory.mktemp("m") / "model", probes=PROBES)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the fresh process, which other tests cover."""
    monkeypatch.setattr(bundle, "_reopen", lambda place, target: None)


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved bundle to be damaged."""
    target = tmp_path / "model"
    target.mkdir()
    for file in saved.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def edit(folder: Path, **changes: object) -> None:
    content = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    content.update(changes)
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_what_is_loaded(saved: Path) -> None:
    model, back = tiny_model(temperature=1.7), bundle.load(saved)
    assert back.fingerprint() == model.fingerprint()
    assert (back.task, back.input, back.evidence) == (model.task, model.input, model.evidence)
    assert set(back.tensors) == set(model.tensors)
    for name, array in model.tensors.items():
        np.testing.assert_array_equal(back.tensors[name], array)


def test_a_process_that_never_saw_the_model_gives_its_answers(saved: Path, tmp_path: Path) -> None:
    images = tiny_images(6, seed=9)
    expected = Predictor(tiny_model(temperature=1.7), device="cpu").scores(images)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys, numpy as np; from headstart.export.model import load_model;"
        "found = load_model(sys.argv[1]).predictor.scores(np.load(sys.argv[2])); np.save(sys.argv[3], found)"
    )
    arguments = [str(saved), str(tmp_path / "images.npy"), str(tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-6)


def test_verify_runs_the_probes(saved: Path) -> None:
    report = bundle.verify(saved)
    assert report.passed
    assert report.probes == 4
    assert report.worst <= 1e-6
    assert json.loads(json.dumps(report.to_json()))["passed"] is True


def test_nothing_else_lies_beside_the_bundle(saved: Path) -> None:
    assert leftovers(saved.parent) == ["model"]
    assert leftovers(saved) == ["bundle.json", "model.safetensors", "probes.safetensors"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_the_same_model_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    first = bundle.save(tiny_model(), tmp_path / "a" / name, probes=PROBES)
    second = bundle.save(tiny_model(), tmp_path / "b" / name, probes=PROBES)
    pairs = (
        [(first, second)]
        if first.is_file()
        else zip(sorted(first.iterdir()), sorted(second.iterdir()), strict=True)
    )
    assert all(one.read_bytes() == other.read_bytes() for one, other in pairs)


def test_an_archive_opens_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prove_here(monkeypatch)
    path = bundle.save(tiny_model("rbf"), tmp_path / "model.zip", probes=PROBES)
    assert zipfile.ZipFile(path).testzip() is None
    assert bundle.load(path).fingerprint() == tiny_model("rbf").fingerprint()
    assert bundle.verify(path).passed


@pytest.mark.usefixtures("quick")
def test_an_archive_packed_again_by_hand_opens(tmp_path: Path) -> None:
    folder = bundle.save(tiny_model(), tmp_path / "flowers", probes=PROBES)
    with zipfile.ZipFile(tmp_path / "by-hand.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/flowers/bundle.json", b"junk")
        for file in folder.iterdir():
            archive.write(file, f"flowers/{file.name}")
    assert bundle.verify(tmp_path / "by-hand.zip").passed


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "task",
    [
        tiny_task("classification", ["Ärger", "蜂", "naïve cœur", "emoji 🐝"]),
        tiny_task("multilabel"),
        tiny_task("regression", ["Gewicht in kg"]),
        tiny_task("classification", [f"class {i}" for i in range(2000)]),
    ],
    ids=["unicode", "multilabel", "regression", "2000 classes"],
)
def test_every_kind_of_task_survives(tmp_path: Path, task: object) -> None:
    model = tiny_model(task=task)
    path = bundle.save(model, tmp_path / "model.zip", probes=PROBES)
    assert bundle.load(path).task == task
    assert bundle.verify(path).passed


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["constant", "pixels", "rbf", "average", "taps", "classifier"])
def test_every_kind_of_network_survives(tmp_path: Path, kind: str) -> None:
    path = bundle.save(tiny_model(kind), tmp_path / "model", probes=PROBES)
    assert bundle.verify(path).passed


@pytest.mark.parametrize("name", ["model.safetensors", "probes.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "missing"])
def test_damaged_files_are_refused(copy: Path, name: str, damage: str) -> None:
    raw = bytearray((copy / name).read_bytes())
    if damage == "flip":
        raw[-5] ^= 1
    (copy / name).write_bytes({"truncate": raw[:-100], "empty": b""}.get(damage, raw))
    if damage == "missing":
        (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        bundle.load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "upgrade Headstart"),
        ({"version": "1"}, "format version"),
        ({"format": "other"}, "not the description"),
        ({"modality": "smell"}, "smell"),
        ({"net": {"kind": "transmogrifier"}}, "no kind of network is called 'transmogrifier'"),
        ({"net": {}}, "kind"),
        ({"net": {"kind": "average", "members": [{"kind": "pickle"}], "weights": [1]}}, "pickle"),
        (
            {"task": {"kind": "clairvoyance", "labels": ["a"], "metric": "m", "higher_is_better": True}},
            "clairvoyance",
        ),
        (
            {"task": {"kind": "classification", "labels": ["a", "a"], "metric": "m", "higher_is_better": 1}},
            "unique",
        ),
        ({"task": {}}, "kind"),
        ({"files": {}}, "model.safetensors"),
        ({"preprocessing": 3}, "preprocessing"),
        ({"probes": {"count": 4, "allowed": float("inf")}}, "tolerance"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_descriptions_that_cannot_be_trusted_are_refused(copy: Path, changes: dict, message: str) -> None:
    edit(copy, **changes)
    with pytest.raises(BundleError, match=message) as caught:
        bundle.load(copy)
    assert "\n" not in str(caught.value)


def test_labels_changed_after_saving_are_noticed(copy: Path) -> None:
    edit(copy, task=tiny_task("classification", ["ant", "wasp", "bee"]).to_json())
    with pytest.raises(BundleError, match="was changed after"):
        bundle.load(copy)


@pytest.mark.parametrize(
    "architecture",
    [
        {"library": "timm", "arch": "resnet18", "kwargs": {"checkpoint_path": "/etc/passwd"}},
        {"library": "timm", "arch": "resnet18", "kwargs": {"pretrained": True}},
        {"library": "transformers", "arch": "bert", "kwargs": {"attn_implementation": "someone/kernels"}},
        {"library": "transformers", "arch": "bert", "kwargs": {"text_config": {"auto_map": {"A": "x.A"}}}},
        {"library": "timm", "arch": "hf-hub:someone/model"},
        {"library": "timm", "arch": "../../model"},
        {"library": "timm", "arch": 7},
        "resnet18",
    ],
)
def test_an_architecture_that_reaches_outside_is_refused(copy: Path, architecture: object) -> None:
    edit(copy, net={"kind": "taps", "architecture": architecture, "taps": ["layer4/g1"]})
    with pytest.raises(BundleError, match="architecture"):
        bundle.load(copy)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"format": 1}', "[" * 100_000])
def test_a_description_that_is_no_description_is_refused(copy: Path, text: str) -> None:
    (copy / "bundle.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError):
        bundle.load(copy)


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a\\..\\evil", "C:/evil", "model/../../evil"])
def test_archives_that_point_outside_are_refused(saved: Path, tmp_path: Path, name: str) -> None:
    members = {file.name: file.read_bytes() for file in saved.iterdir()}
    path = archive(tmp_path / "m.zip", {**members, name: b"x"})
    with pytest.raises(BundleError, match="points outside"):
        bundle.load(path)
    assert leftovers(tmp_path) == ["m.zip"]


def test_archives_that_blow_up_are_refused(saved: Path, tmp_path: Path) -> None:
    members = {file.name: file.read_bytes() for file in saved.iterdir()}
    path = archive(tmp_path / "m.zip", {**members, "model.safetensors": bytes(50_000_000)})
    with pytest.raises(BundleError, match="would unpack to 50,000,000 bytes"):
        bundle.load(path)


def test_other_archives_are_no_models(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle\.json"):
        bundle.load(archive(tmp_path / "photos.zip", {"a.jpg": b"x"}))
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(BundleError, match="not a readable archive"):
        bundle.load(tmp_path / "broken.zip")
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for part in saved.iterdir():
            file.write(part, part.name)
    (tmp_path / "short.zip").write_bytes(whole.getvalue()[:-40])
    with pytest.raises(BundleError, match="not a readable archive"):
        bundle.load(tmp_path / "short.zip")


def test_places_without_a_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="there is no model here"):
        bundle.load(tmp_path / "nothing")
    with pytest.raises(PathError, match="there is no model here"):
        bundle.load(tmp_path)
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match="no model yet"):
        bundle.load(tmp_path)


def test_a_run_folder_means_its_model(saved: Path) -> None:
    (saved.parent / "run.json").write_text("{}", encoding="utf-8")
    try:
        assert bundle.load(saved.parent).fingerprint() == bundle.load(saved).fingerprint()
    finally:
        (saved.parent / "run.json").unlink()


# saving


def test_a_copy_that_answers_differently_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bundle._files

    def wrong(model: Model, probes: np.ndarray) -> dict[str, bytes]:
        files, other = whole(model, probes), whole(tiny_model(seed=1), probes)
        mixed = {**files, "model.safetensors": other["model.safetensors"]}
        content, strange = json.loads(files["bundle.json"]), json.loads(other["bundle.json"])
        content["files"]["model.safetensors"] = strange["files"]["model.safetensors"]
        content["fingerprint"] = strange["fingerprint"]
        return {**mixed, "bundle.json": json.dumps(content).encode()}

    prove_here(monkeypatch)
    monkeypatch.setattr(bundle, "_files", wrong)
    with pytest.raises(ExportMismatch, match="largest difference"):
        bundle.save(tiny_model(), tmp_path / "model", probes=PROBES)
    assert leftovers(tmp_path) == []


def test_a_copy_that_does_not_open_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bundle._files
    monkeypatch.setattr(bundle, "_files", lambda m, p: {**whole(m, p), "model.safetensors": b"rubbish"})
    with pytest.raises(BundleError, match=r"does not open.*not kept"):
        bundle.save(tiny_model(), tmp_path / "model.zip", probes=PROBES)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_failed_save_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "_reopen", lambda place, target: None)
        path = bundle.save(tiny_model(), tmp_path / name, probes=PROBES)

    def full(place: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "_reopen", full)
    with pytest.raises(PathError, match="No space left"):
        bundle.save(tiny_model(seed=5), path, probes=PROBES)
    assert bundle.load(path).fingerprint() == tiny_model().fingerprint()
    assert leftovers(tmp_path) == [name]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_newer_model_replaces_an_older_one(tmp_path: Path, name: str) -> None:
    bundle.save(tiny_model(), tmp_path / name, probes=PROBES)
    bundle.save(tiny_model(seed=5), tmp_path / name, probes=PROBES)
    assert bundle.load(tmp_path / name).fingerprint() == tiny_model(seed=5).fingerprint()
    assert leftovers(tmp_path) == [name]


@pytest.mark.usefixtures("quick")
def test_nothing_but_a_model_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"precious")
    (tmp_path / "thesis.zip").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    for name in ("photos", "thesis.zip", "file"):
        with pytest.raises(PathError, match="exists and is not a model"):
            bundle.save(tiny_model(), tmp_path / name, probes=PROBES)
    assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"precious"


@pytest.mark.usefixtures("quick")
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PathError, match="cannot be written"):
        bundle.save(tiny_model(), tmp_path / "file" / "model", probes=PROBES)


@pytest.mark.usefixtures("quick")
def test_probes_must_be_prepared_images(tmp_path: Path) -> None:
    for probes in (
        PROBES[:0],
        PROBES.astype(np.float32),
        PROBES[:, :, :8],
        np.zeros((300, 3, 32, 32), np.uint8),
    ):
        with pytest.raises(ValueError, match="probes must be"):
            bundle.save(tiny_model(), tmp_path / "model", probes=probes)


@pytest.mark.usefixtures("quick")
def test_a_model_that_answers_nonsense_is_not_saved(tmp_path: Path) -> None:
    model = tiny_model()
    model.tensors["head.bias"][0] = np.nan
    with pytest.raises(HeadstartError, match="NaN"):
        bundle.save(model, tmp_path / "model", probes=PROBES)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("quick")
def test_folders_of_this_machine_stay_here(tmp_path: Path) -> None:
    for spec, name in (
        ("file:/home/ada/nets/n.pth?arch=timm/resnet18", "file:n.pth?arch=timm/resnet18"),
        (r"file:C:\Users\ada\n.pth?arch=timm/resnet18", "file:n.pth?arch=timm/resnet18"),
        ("hf:/home/ada/nets/encoder/", "hf:encoder"),
        ("vectors:/home/ada/glove.txt?words=10 apart", "vectors:glove.txt?words=10 apart"),
        ("hf/owner/encoder", "hf/owner/encoder"),
    ):
        model = replace(tiny_model(), source={"spec": spec, "digest": "d"})
        back = bundle.load(bundle.save(model, tmp_path / "model", probes=PROBES))
        assert back.source == {"spec": name, "digest": "d"}


def test_tolerance_follows_the_scale_of_a_regression() -> None:
    outputs = np.array([[2e-6], [1e-6]], np.float32)
    assert bundle.tolerance(tiny_task("regression"), outputs) == pytest.approx(2e-9)
    assert bundle.tolerance(tiny_task(), outputs) == 1e-4
    assert bundle.difference(np.array([[np.nan]]), np.array([[0.0]])) == float("inf")


@pytest.mark.usefixtures("quick")
def test_a_damaged_packed_archive_is_one_sentence(tmp_path: Path) -> None:
    folder = bundle.save(tiny_model(), tmp_path / "flowers", probes=PROBES)
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(bytes(data))
    with pytest.raises(BundleError, match="not a readable archive"):
        bundle.load(path)
