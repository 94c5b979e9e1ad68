"""Files that are known by their first bytes: HEIC, and kinds that are not read."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart import data
from headstart.data.checks import doctor
from headstart.errors import DataError, ImageError
from headstart.modalities import image as images


def heic(major: bytes = b"heic", *others: bytes) -> bytes:
    """How such a file begins, and no picture."""
    brands = major + bytes(4) + b"".join(others or (b"mif1", b"heic"))
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(range(200))


def picture(form: str, **options) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((40, 30)).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


@pytest.mark.usefixtures("without_heif")
@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"])
def test_heic_is_named_where_it_cannot_be_read(brand: bytes) -> None:
    with pytest.raises(
        ImageError, match=r"a HEIC photograph: install headstart\[heif\], or save it as JPEG"
    ) as raised:
        images.open_image(heic(brand))
    assert raised.value.code == "HS109"


@pytest.mark.usefixtures("without_heif")
def test_a_folder_of_heic_is_told_in_one_line(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / "ab"[number % 2] / f"IMG_{number}.HEIC"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(heic())
    report = doctor.check(data.load(tmp_path))
    line = next(line for line in report.lines("error") if line.startswith("HS109"))
    assert line.startswith("HS109 12 times: ")
    assert "a HEIC photograph: install headstart[heif], or save it as JPEG" in line
    assert len(report.bad_rows) == 12


@pytest.mark.usefixtures("without_heif")
def test_one_under_another_name_is_named_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.jpg").write_bytes(picture("JPEG"))
    (tmp_path / "a" / "phone.jpg").write_bytes(heic())
    (found,) = [f for f in doctor.check(data.load(tmp_path)).errors if f.row is not None]
    assert str(found).startswith("HS109 a/phone.jpg: a HEIC photograph: install headstart[heif]")


def test_heic_is_read_where_its_package_is() -> None:
    opener = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    opener.from_pillow(Image.open(io.BytesIO(picture("PNG")))).save(buffer, quality=90)
    opened = images.open_image(buffer.getvalue())
    assert opened.size == (40, 30)
    truth = np.asarray(images.open_image(picture("PNG"))).astype(int)
    assert np.abs(np.asarray(opened) - truth).mean() < 12
    assert images.examine(buffer.getvalue()).problem == ""
    with pytest.raises(ImageError, match="a HEIC photograph, but its header is damaged") as raised:
        images.open_image(heic())
    assert raised.value.code == "HS104"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"II*\0\x10\0\0\0CR\x02\0", "a camera raw photograph (CR2): develop it as JPEG or TIFF"),
        (heic(b"crx ", b"crx ", b"isom"), "a camera raw photograph (CR3)"),
        (b"FUJIFILMCCD-RAW 0201", "a camera raw photograph (RAF)"),
        (b"8BPS\0\1", "a Photoshop document (PSD): save it as JPEG or PNG"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg">', "a drawing (SVG)"),
        (b"\xef\xbb\xbf <svg>", "a drawing (SVG)"),
        (b"%PDF-1.7", "a PDF document"),
        (heic(b"isom", b"mp42"), "a video"),
        (heic(b"qt  ", b"qt  "), "a video"),
        (b"\x1aE\xdf\xa3", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (bytes(128) + b"DICM", "a DICOM picture"),
        (b"<!DOCTYPE html><html>", "a web page under the name of a picture"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    ],
)  # fmt: skip
def test_kinds_that_are_not_read_are_named(content: bytes, said: str) -> None:
    with pytest.raises(ImageError) as raised:
        images.open_image(content)
    assert raised.value.code == images.examine(content).problem == "HS109"
    assert said in raised.value.problem


def test_the_small_copy_in_a_raw_photograph_is_not_taken_for_it() -> None:
    data = picture("TIFF", tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(ImageError, match=r"a camera raw photograph \(DNG\)"):
        images.open_image(data)
    assert images.open_image(picture("TIFF")).size == (40, 30)


def test_avif_is_no_heic() -> None:
    if "AVIF" not in Image.registered_extensions().values():
        pytest.skip("this Pillow has no AVIF")
    assert images.open_image(picture("AVIF")).size == (40, 30)
    with pytest.raises(ImageError) as raised:
        images.open_image(heic(b"avif", b"mif1"))
    assert raised.value.code == "HS104"


def test_a_folder_of_other_pictures_says_what_they_are(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.cr2").write_bytes(b"II*\0\x10\0\0\0CR\x02\0")
    with pytest.raises(
        DataError, match=r"2 other files; b/1.cr2 is a camera raw photograph \(CR2\): develop it"
    ):
        data.load(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name / "1.jpg").write_bytes(picture("JPEG"))
    (first, _) = [note for note in data.load(tmp_path).notes if note.code == "HS218"]
    assert first.message == "a camera raw photograph: left out"
