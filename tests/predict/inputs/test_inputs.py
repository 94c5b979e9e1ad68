from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.core.dataset import ArrayItem, FileItem
from headstart.modalities.image import SUFFIXES, open_image
from headstart.predict.inputs import items_of


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("b.png", "a.jpg", "sub/ü n.JPG", ".hidden.png", ".git/x.png", "notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10, 200, 30)).save(root / name, format="PNG")
    return root


def ids(inputs: object) -> list[str]:
    return [item.id for item in items_of(inputs)]


def problem(inputs: object) -> str:
    (item,) = items_of(inputs)
    with pytest.raises(OSError, match=r".") as caught:
        item.read()
    return str(caught.value)


def test_a_folder_is_its_images(photos: Path) -> None:
    assert ids(photos) == [str(photos / name) for name in ("a.jpg", "b.png", "sub/ü n.JPG")]


def test_the_same_endings_as_in_training_are_images(tmp_path: Path) -> None:
    for ending in [*SUFFIXES, ".tga"]:
        (tmp_path / f"x{ending}").write_bytes(b"x")
    assert {Path(name).suffix for name in ids(tmp_path)} == SUFFIXES


def test_a_file_named_by_itself_is_taken_whatever_its_ending(photos: Path) -> None:
    assert ids([str(photos / "notes.txt"), photos / "a.jpg"]) == [
        str(photos / "notes.txt"),
        str(photos / "a.jpg"),
    ]


def test_globs(photos: Path) -> None:
    assert ids(str(photos / "*.jpg")) == [str(photos / "a.jpg")]
    assert ids(str(photos / "**" / "*.JPG")) == [str(photos / "sub" / "ü n.JPG")]
    assert problem(str(photos / "*.tiff")) == "no file matches"
    (photos / "odd[1].png").write_bytes((photos / "b.png").read_bytes())
    assert ids(str(photos / "odd[1].png")) == [str(photos / "odd[1].png")]


def test_what_cannot_be_found_says_so(photos: Path, tmp_path: Path) -> None:
    assert problem(tmp_path / "nowhere.jpg") == "no such file or folder"
    (tmp_path / "empty").mkdir()
    assert problem(tmp_path / "empty") == "there are no images in this folder"
    assert "neither a path nor an image" in problem([3.5])
    assert problem("x" * 300 + ".jpg") == "no such file or folder"


def test_archives_are_read_without_unpacking(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(photos / "a.jpg", "in/a.jpg")
        archive.writestr("__MACOSX/in/a.jpg", b"junk")
        archive.writestr("../out.png", b"x")
        archive.writestr("bomb.png", bytes(30_000_000))
    found = {item.id.removeprefix(f"{path}/"): item for item in items_of(path)}
    assert set(found) == {"in/a.jpg", "../out.png", "bomb.png"}
    assert Image.open(io.BytesIO(found["in/a.jpg"].read())).size == (8, 8)
    with pytest.raises(OSError, match="points out of the archive"):
        found["../out.png"].read()
    with pytest.raises(OSError, match=r"it unpacks to [\d,]+ times its size"):
        found["bomb.png"].read()
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(OSError, match="it is a link"):
        {item.id.removeprefix(f"{path}/"): item for item in items_of(path)}["link.png"].read()
    (tmp_path / "no.zip").write_bytes(b"no archive")
    assert "not a .zip archive" in problem(tmp_path / "no.zip")


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "1", "HSV", "YCbCr"])
def test_pillow_images_are_read_as_they_look(mode: str) -> None:
    drawn = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8))
    image = drawn.convert(mode)
    (item,) = items_of(image)
    np.testing.assert_array_equal(np.asarray(open_image(item.read())), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "La", "RGBa"])
def test_pillow_images_with_transparency_lie_on_white(mode: str) -> None:
    image = Image.new("RGBA", (6, 5), (40, 40, 40, 0))
    image = image.convert("RGBa" if mode == "RGBa" else "LA").convert(mode)
    (item,) = items_of(image)
    assert open_image(item.read()).getpixel((0, 0)) == (255, 255, 255)


def test_pillow_images_are_turned_upright_as_their_files_are(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 8, 3), dtype=np.uint8)).save(
        tmp_path / "x.png", exif=exif
    )
    (file,), (held,) = items_of(tmp_path / "x.png"), items_of(Image.open(tmp_path / "x.png"))
    np.testing.assert_array_equal(open_image(held.read()), open_image(file.read()))


def test_arrays() -> None:
    assert ids(np.zeros((4, 4, 3), np.uint8)) == ["0"]
    assert ids(np.zeros((3, 4, 4, 3), np.uint8)) == ["0", "1", "2"]
    assert ids([np.zeros((4, 4)), np.ones((4, 4))]) == ["0", "1"]
    assert isinstance(items_of(np.zeros((4, 4)))[0], ArrayItem)


def test_items_of_a_data_set_pass_through(photos: Path) -> None:
    item = FileItem("mine", photos / "a.jpg")
    assert items_of(item) == (item,)
    assert items_of((item, item)) == (item, item)
