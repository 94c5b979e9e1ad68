"""Decoding in several threads: no warning of another library, and a bound for what is in hand."""

from __future__ import annotations

import io
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from headstart.errors import ImageError
from headstart.modalities import image as images
from headstart.modalities.image.decoding import _deep, _quiet


def jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), 120).save(buffer, "JPEG", quality=30)
    return buffer.getvalue()


def test_large_pictures_are_read_without_a_warning_of_another_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # as from 89 megapixels on
    data = jpeg(10, 9)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert images.examine(data).problem == ""
        assert images.open_image(data).size == (10, 9)
        threads = [threading.Thread(target=images.open_image, args=(data,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        warnings.warn("of somebody else", stacklevel=1)
    assert [str(one.message) for one in seen] == ["of somebody else"]
    assert _quiet._FILTER not in warnings.filters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert images.open_image(data).size == (10, 9)


def test_pictures_in_hand_have_a_bound() -> None:
    room, inside, most = _quiet.Room(100), [], []
    lock = threading.Lock()

    def work(size: int) -> None:
        with room.of(size):
            with lock:
                inside.append(size)
                most.append(sum(inside))
            with lock:
                inside.remove(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in (60, 60, 30, 250, 10, 80, 99) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) == 28
    assert max(total for total in most if total != 250) <= 100


@pytest.mark.parametrize("mode", ["F", "I", "RGBA"])
def test_a_large_picture_is_made_eight_bits_in_strips(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = _deep._scaled
    monkeypatch.setattr(
        _deep, "_scaled", lambda values, levels: sizes.append(values.size) or real(values, levels)
    )
    laid = _deep.laid_on_white
    monkeypatch.setattr(
        _deep, "laid_on_white", lambda image: sizes.append(image.width * image.height) or laid(image)
    )
    buffer = io.BytesIO()
    Image.new(mode, (2_000, 1_500)).save(buffer, "TIFF")
    assert images.open_image(buffer.getvalue()).size == (2_000, 1_500)
    assert len(sizes) == 3
    assert max(sizes) <= 2**20


@pytest.mark.parametrize(
    "mode", ["HSV", "La", "RGBa", "LAB", "YCbCr", "CMYK", "1", "P", "PA", "LA", "I", "F", "I;16", "I;16B"]
)
def test_pillow_images_of_every_mode_become_bytes_that_are_read(mode: str) -> None:
    partner = {"La": "LA", "RGBa": "RGBA", "PA": "LA"}.get(mode)
    if mode in ("LAB", "I;16B"):
        given = Image.new(mode, (6, 4))
    else:
        grey = Image.new("RGB", (6, 4), (90, 90, 90))
        given = (
            grey.convert(partner) if partner else grey.convert("L") if mode in ("I", "F", "I;16") else grey
        ).convert(mode)
    if mode == "F":
        given = Image.fromarray(np.asarray(given) / np.float32(255))
    opened = images.open_image(images.as_bytes(given))
    assert (opened.mode, opened.size) == ("RGB", (6, 4))
    if mode in ("HSV", "La", "RGBa", "YCbCr", "LA", "PA", "I", "F"):
        assert np.abs(np.asarray(opened).astype(int) - 90).max() <= 3


def test_a_pillow_image_is_turned_as_its_file_would_be() -> None:
    given, exif, buffer = (
        Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6)),
        Image.Exif(),
        io.BytesIO(),
    )
    exif[0x0112] = 6
    given.save(buffer, "PNG", exif=exif)
    turned = images.open_image(buffer.getvalue())
    assert turned.size == (4, 6)
    assert np.array_equal(
        np.asarray(images.open_image(images.as_bytes(Image.open(buffer)))), np.asarray(turned)
    )


@pytest.mark.parametrize("shape", ["(-1, 7)", "(True, 2)", "(-1, 5)", "(4, -2, 3)"])
def test_an_array_with_sides_that_are_no_numbers_is_damaged(shape: str) -> None:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    data = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(64)
    with pytest.raises(ImageError, match="header is damaged: a shape of") as raised:
        images.open_image(data)
    assert raised.value.code == images.examine(data).problem == "HS104"
