"""Every form in which people hold pictures gives what the files give: in `load`, in `predict`, in `Embedder`."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from headstart import sklearn as estimators
from headstart.data import load
from headstart.data.items.entries import BadItem
from headstart.errors import DataError, HeadstartError
from headstart.predict.inputs import items_of
from headstart.predict.predictor import Predictor
from headstart.predict.predictor import predict as predict_with
from headstart.sklearn import Embedder, TransferClassifier
from headstart.testing.fakes import MemoryExtractor, TinyBackbone
from made.models import tiny_model

N = 4
RGB = np.random.default_rng(0).integers(0, 256, (N, 20, 22, 3), dtype=np.uint8)
GREY = RGB[..., 0].copy()
FIRST = np.ascontiguousarray(RGB.transpose(0, 3, 1, 2))
Y = np.arange(N) % 2


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


BYTES = [png(array) for array in RGB]
PICTURES = [Image.fromarray(array) for array in RGB]


def stream(content: bytes) -> io.BytesIO:
    """As it stands after somebody has written to it."""
    out = io.BytesIO()
    out.write(content)
    return out


class Rows(Dataset):
    """A data set of torch: (picture, number), with names of classes."""

    classes = ("square", "disc")

    def __init__(self, rows: Any, target: Any = Y) -> None:
        self.rows, self.target = rows, target

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> Any:
        return self.rows[row], int(self.target[row])


class Records(Rows):
    def __getitem__(self, row: int) -> Any:
        return {"id": row, "image": self.rows[row], "label": ("a", "b")[self.target[row]]}


class Bare(Rows):
    def __getitem__(self, row: int) -> Any:
        return self.rows[row]


class Lazy:
    """Bytes that are asked for, as an upload gives them."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, size: int = -1) -> bytes:
        return self.content


def records(path: bool = True) -> list[dict[str, Any]]:
    return [{"bytes": content, **({"path": f"{i}.png"} if path else {})} for i, content in enumerate(BYTES)]


def hub(**columns: Any) -> Any:
    datasets = pytest.importorskip("datasets")
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["square", "disc"])}
    features = datasets.Features({name: features[name] for name in columns})
    return datasets.Dataset.from_dict(columns, features=features)


def pandas(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


COLOUR: dict[str, Callable[[], Any]] = {
    "[N,H,W,C]": lambda: RGB,
    "[N,C,H,W]": lambda: FIRST,
    "column-major": lambda: np.asfortranarray(RGB),
    "int64": lambda: RGB.astype(np.int64),
    "float32": lambda: (RGB / 255).astype(np.float32),
    "list of [H,W,C]": lambda: list(RGB),
    "list of [C,H,W]": lambda: list(FIRST),
    "list of [1,H,W,C]": lambda: [array[None] for array in RGB],
    "array of objects": lambda: np.array([*PICTURES, None], dtype=object)[:N],
    "tensor": lambda: torch.tensor(FIRST),
    "tensor of floats": lambda: torch.tensor(FIRST / 255.0, requires_grad=True),
    "list of tensors": lambda: list(torch.tensor(FIRST)),
    "Pillow": lambda: PICTURES,
    "tuple": lambda: tuple(PICTURES),
    "values of a dict": lambda: dict(enumerate(PICTURES)).values(),
    "bytes": lambda: BYTES,
    "bytearray": lambda: [bytearray(content) for content in BYTES],
    "memoryview": lambda: [memoryview(content) for content in BYTES],
    "uint8 of a file": lambda: [np.frombuffer(content, np.uint8) for content in BYTES],
    "BytesIO": lambda: [stream(content) for content in BYTES],
    "uploads": lambda: [Lazy(content) for content in BYTES],
    "records": records,
    "records of arrays": lambda: [{"array": array} for array in RGB],
    "(X, y)": lambda: (RGB, Y),
    "[X, y]": lambda: [FIRST, Y.tolist()],
    "(tensor, tensor)": lambda: (torch.tensor(FIRST), torch.tensor(Y)),
    "(list, list)": lambda: (PICTURES, ["a", "b"] * 2),
    "(image, label)": lambda: list(zip(RGB, Y, strict=True)),
    "(bytes, text)": lambda: list(zip(BYTES, "abab", strict=True)),
    "records of rows": lambda: [{"image": image, "label": str(y)} for image, y in zip(PICTURES, Y, strict=True)],
    "torch, Pillow": lambda: Rows(PICTURES),
    "torch, tensors": lambda: TensorDataset(torch.tensor(FIRST / 255.0), torch.tensor(Y)),
    "torch, bytes": lambda: Rows(BYTES),
    "torch, records": lambda: Records(RGB),
    "torch, no labels": lambda: Bare(PICTURES),
    "torch, subset": lambda: Subset(Rows([*PICTURES]), range(N)),
    "dict of bytes": lambda: {"image": BYTES, "label": Y},
    "dict of Pillow": lambda: {"image": PICTURES, "label": Y},
    "dict of arrays": lambda: {"image": list(RGB), "label": ["a", "b"] * 2},
    "dict of a block": lambda: {"image": FIRST, "label": torch.tensor(Y)},
    "dict of records": lambda: {"image": records(), "label": Y},
    "polars, bytes": lambda: pl.DataFrame({"image": BYTES, "label": Y}),
    "polars, records": lambda: pl.DataFrame({"image": records(), "label": Y}),
    "polars, arrays": lambda: pl.DataFrame({"image": RGB, "label": Y}),
    "polars, series": lambda: pl.Series("image", BYTES),
    "pandas, bytes": lambda: pandas({"image": BYTES, "label": Y}),
    "pandas, records": lambda: pandas({"image": records(), "label": Y}),
    "pandas, Pillow": lambda: pandas({"image": PICTURES, "label": Y}),
    "pandas, series": lambda: pandas({"image": BYTES})["image"],
    "hub": lambda: hub(image=PICTURES, label=Y.tolist()),
    "hub, no labels": lambda: hub(image=PICTURES),
    "hub, bytes": lambda: pytest.importorskip("datasets").Dataset.from_dict({"image": BYTES}),
    "load": lambda: load(RGB, labels=Y),
}  # fmt: skip
PLAIN: dict[str, Callable[[], Any]] = {
    "[N,H,W]": lambda: GREY,
    "[N,H,W,1]": lambda: GREY[..., None],
    "[N,1,H,W]": lambda: GREY[:, None],
    "tensor [N,H,W]": lambda: torch.tensor(GREY),
    "list of [H,W]": lambda: list(GREY),
    "list of [1,H,W]": lambda: list(torch.tensor(GREY)[:, None]),
    "bool": lambda: GREY > 127,
    "float16": lambda: torch.tensor(GREY > 127).half(),
    "bfloat16": lambda: torch.tensor(GREY > 127).bfloat16(),
    "uint16": lambda: GREY.astype(np.uint16) * 257,
    "Pillow, 16 bits": lambda: [Image.fromarray(array.astype(np.uint16) * 257) for array in GREY],
}  # fmt: skip
LABELLED = [
    name for name in COLOUR if "y)" in name or "abel)" in name or "dict of" in name or "text)" in name
]


def pixels(items: Any) -> list[np.ndarray]:
    from headstart.modalities.image import open_image

    return [np.asarray(open_image(item.read())) for item in items]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(tiny_model("pixels"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[pathlib.Path]]:
    folder = tmp_path_factory.mktemp("files")
    found = {}
    for name, arrays in {"colour": RGB, "grey": GREY, "binary": (GREY > 127) * np.uint8(255)}.items():
        found[name] = [folder / f"{name}{i}.png" for i in range(N)]
        for path, array in zip(found[name], arrays, strict=True):
            path.write_bytes(png(array))
    return found


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> Embedder:
    backbone = TinyBackbone()
    monkeypatch.setattr(estimators, "_load", lambda spec, stamp, download: backbone)
    monkeypatch.setattr(estimators, "StoreExtractor", lambda store, dataset: MemoryExtractor(dataset))
    return Embedder("tiny").fit()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", [*COLOUR, *PLAIN])
def test_every_form_gives_what_the_files_give(
    form: str, files: dict[str, list[pathlib.Path]], predictor: Predictor, embedder: Embedder
) -> None:
    same = files[
        "colour" if form in COLOUR else "binary" if form in ("bool", "float16", "bfloat16") else "grey"
    ]
    make = {**COLOUR, **PLAIN}[form]
    loaded = load(make())
    assert loaded.modality == "image"
    np.testing.assert_array_equal(pixels(loaded.items), pixels(load(same).items))
    if form in LABELLED:
        assert loaded.y.tolist() == Y.tolist()
    found = predict_with(predictor, make())
    assert not found.failed
    np.testing.assert_array_equal(found.scores, predict_with(predictor, same).scores)
    np.testing.assert_array_equal(embedder.transform(make()), embedder.transform(same))


@pytest.mark.parametrize(
    "make", [lambda x: x, stream, memoryview, Lazy, lambda x: {"bytes": x, "path": None}]
)
def test_one_picture_has_one_answer(make: Callable[[bytes], Any], predictor: Predictor) -> None:
    (wanted,) = predict_with(predictor, RGB[0])
    (found,) = predict_with(predictor, make(BYTES[0]))
    np.testing.assert_array_equal(found.scores, wanted.scores)


@pytest.mark.parametrize(
    ("array", "count"),
    [(RGB[0], 1), (GREY[0], 1), (GREY, N), (GREY[:1], 1), (GREY[:3], 3), (RGB[0, ..., :1], 1), (RGB, N),
     (RGB[:1], 1), (FIRST[0], 3), (torch.tensor(GREY[:3]), 3), ([FIRST[0]], 1), ([RGB, RGB[0]], N + 1)],
)  # fmt: skip
def test_an_array_is_so_many_pictures(array: Any, count: int, predictor: Predictor) -> None:
    found = predict_with(predictor, array)
    assert (len(found), found.failed) == (count, ())


def test_the_names_of_classes_are_those_of_the_data_set() -> None:
    for data in (Rows(PICTURES), Subset(Rows(PICTURES), [0, 1, 2])):
        assert load(data).task.labels == ("disc", "square")
    assert load(TensorDataset(torch.tensor(FIRST), torch.tensor(Y))).task.labels == ("0", "1")
    assert load(Rows(PICTURES, ["0", "7", "1", "0"])).task.labels == ("0", "1", "7")
    several = load([(array, np.eye(3)[y]) for array, y in zip(RGB, Y, strict=True)])
    assert several.y.tolist() == np.eye(3)[Y].tolist()


def test_what_scikit_learn_hands_out() -> None:
    bunch = pytest.importorskip("sklearn.utils").Bunch
    flat = bunch(data=RGB.reshape(N, -1), images=RGB, target=Y, target_names=["square", "disc"], DESCR="")
    assert load(flat).y.tolist() == [1, 0, 1, 0]
    texts = bunch(data=["so many words", "and so few"], target=np.array([0, 1]), target_names=["x", "y"])
    assert load(texts).task.labels == ("x", "y")
    assert [item.text for item in items_of(texts, "text")] == texts.data


def test_texts_with_numbers_are_texts_with_labels() -> None:
    rows = [("so many words", 1), ("and so few", 0), (("one", "two"), 1)]
    assert load(rows[:2]).y.tolist() == [1, 0]
    assert load(([*"abc"], ["x", "y", "x"])).y.tolist() == [0, 1, 0]
    pairs = load([rows[2], (("three", "four"), 0)])
    assert (pairs.pairs, pairs.y.tolist()) == (True, [1, 0])
    assert [item.text for item in items_of(rows[:2], "text")] == ["so many words", "and so few"]
    assert load([("a b", "c d"), ("e f", "g h")]).pairs


def test_a_text_may_be_the_bytes_of_its_file() -> None:
    for form in (b"so many words", stream(b"so many words"), [b"so many words"]):
        assert [item.read() for item in items_of(form, "text")] == [b"so many words"]


class Random(Rows):
    def __getitem__(self, row: int) -> Any:
        return torch.rand(3, 8, 8), row


class Endless(IterableDataset):
    def __iter__(self) -> Any:
        return iter(PICTURES)


class Upload:
    async def read(self, size: int = -1) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (RGB[0], "an array of shape 20 x 22 x 3 is one picture; give several, in a list"),
        (BYTES[0], "bytes is one item; give a list"),
        (PICTURES[0], "Image is one item; give a list"),
        (RGB.reshape(N, -1), "an array of shape 4 x 1320 holds no images; give N x H x W"),
        (np.zeros((4, 9, 9, 7)), r"4 x 9 x 9 x 7 holds no images; give .*: reshape or transpose it"),
        ([np.zeros((7, 9, 9))], r"image 0: an array of shape 7 x 9 x 9 is not one picture: give"),
        (torch.zeros(3, 8, 8).to_sparse(), "Tensor is no array that can be read"),
        (((RGB, Y), (RGB, Y)), "two parts, for training and for testing; give the first"),
        ([RGB[:2], RGB[2:], Y[:2], Y[2:]], "two parts, for training and for testing"),
        (((np.zeros((9, 8, 8)), np.arange(9)),) * 2, "two parts"),
        ([(array, {"box": 1}) for array in RGB], r"the rows are \(ndarray, dict\), not \(image, label\); give hs.load"),
        ([(array, 1, 2) for array in RGB], r"the rows are \(ndarray, int, int\)"),
        ([(RGB[0], 1), RGB[1]], r"row 2 .*: ndarray, where \(item, label\) is needed"),
        (Random(PICTURES), "Random gives another picture each time that row 0 is asked for; leave out its random"),
        (Endless(), "Endless gives its items one after the other"),
        ((array for array in RGB), "generator gives its items one after the other.*; give a list"),
        (DataLoader(Rows(PICTURES)), r"DataLoader gives batches; give the data set .*dataset"),
        ([Upload()], r"the read\(\) of Upload gives coroutine, not bytes: await it first"),
        ([io.StringIO("x")], 'StringIO gives text, not bytes: open it with "rb"'),
        ({"image": BYTES, "label": [1]}, "its columns are of different lengths: 'image' 4, 'label' 1"),
        ({"a.png": BYTES[0]}, "the column 'a.png' is one bytes; give a list"),
        ({"a": BYTES, "b": BYTES, "label": Y}, "which column holds the images: 'a', 'b'"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_what_is_not_understood_is_refused_in_one_sentence(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(data)
    assert "headstart check" not in str(caught.value)
    assert "drop-bad" not in str(caught.value)


def test_labels_are_given_once() -> None:
    with pytest.raises(
        HeadstartError, match="labels is 'list', but it must be left out: there are labels in the data"
    ):
        load((RGB, Y), labels=[1, 0, 1, 0])
    assert load(GREY[:, :, :3], labels=Y).y.tolist() == Y.tolist()  # which tells that each row is one


def test_a_damaged_one_is_a_failed_row(predictor: Predictor) -> None:
    found = predict_with(predictor, [BYTES[0], BYTES[1][:50], b"", None, 3.5, np.zeros((7, 9, 9)), BYTES[2]])
    assert [bool(row.error) for row in found] == [False, True, True, True, True, True, False]
    assert "nothing in this row" in found[3].error
    assert found[4].error == "float is neither a path nor an image"
    assert all("drop-bad" not in row.error for row in found)


def test_estimators_name_the_row(embedder: Embedder) -> None:
    with pytest.raises(DataError, match="row 1: there is nothing in this row"):
        embedder.transform([RGB[0], None])
    with pytest.raises(DataError, match="one picture; give several"):
        embedder.transform(RGB[0])
    with pytest.raises(DataError, match="is one item; give a list"):
        embedder.transform(BYTES[0])
    fitted = TransferClassifier("tiny").fit(RGB, Y)
    assert fitted.predict(BYTES).tolist() == fitted.predict(RGB).tolist()


def test_addresses_are_not_fetched() -> None:
    (item,) = items_of("https://example.org/a.png")
    assert item == BadItem("https://example.org/a.png", "addresses are not fetched: download it first")
    with pytest.raises(HeadstartError, match="zip: addresses are not fetched"):
        load("https://example.org/a.zip")
    assert items_of("https://example.org/a", "text")[0].read() == b"https://example.org/a"
