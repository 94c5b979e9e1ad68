"""Opening, examining, preparing and varying images."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headstart.errors import BadOption, ImageError, UnknownName
from headstart.modalities import image as images
from headstart.modalities.image.preprocessing import ImagePreprocessing

USABLE_OR_KNOWN = {"", "HS101", "HS102", "HS103", "HS104", "HS105", "HS108", "HS109"}


@pytest.mark.parametrize("size", [(224, 224), (7, 60), (1, 1)])
def test_made_up_pictures_differ_and_are_uneven_on_every_scale(size: tuple[int, int]) -> None:
    contract = ImagePreprocessing(size=size)
    found = images.dummy_batch(contract, 3)
    assert found.shape == (3, 3, *size)
    assert found.dtype == np.uint8
    assert np.array_equal(found, images.dummy_batch(contract, 3))
    if size == (224, 224):
        assert not np.array_equal(found[0], found[1])
        plane = found[0, 0].astype(float)
        for cell in (1, 8, 32):
            means = plane.reshape(224 // cell, cell, 224 // cell, cell).mean((1, 3))
            assert np.diff(means).std() > 2


def photo(width: int = 97, height: int = 61, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Smooth random colours: interpolation and orientation show in every pixel."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, rows: bytes) -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit colours, and checks sizes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def bomb_png(width: int, height: int) -> bytes:
    """A few bytes that claim to be huge."""
    return png(width, height, 8, b"\0")


# opening


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM"])
def test_formats_open_as_rgb(form: str) -> None:
    image = images.open_image(encoded(photo(), form))
    assert image.mode == "RGB"
    assert image.size == (97, 61)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert images.open_image(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert images.open_image(encoded(half)).getpixel((0, 0))[0] == pytest.approx(127, abs=1)


def test_palette_with_a_transparent_colour() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    assert images.open_image(encoded(image)).getpixel((1, 1)) == (200, 100, 50)
    assert images.open_image(encoded(image, transparency=1)).getpixel((1, 1)) == (255, 255, 255)


def test_exif_rotation_is_applied() -> None:
    image = photo()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    data = encoded(image, "PNG", exif=exif)
    opened = images.open_image(data)
    assert opened.size == (61, 97)
    assert np.array_equal(np.asarray(opened), np.asarray(image.transpose(Image.Transpose.ROTATE_270)))
    examined = images.examine(data)
    assert examined.size == (61, 97)
    assert "HS208" in examined.facts


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    grey = Image.fromarray(np.array([[0, 257 * 10], [65535, 32896]], dtype=np.uint16))
    found = np.asarray(images.open_image(encoded(grey)))[:, :, 0]
    assert found.tolist() == [[0, 10], [255, 128]]
    assert "HS206" in images.examine(encoded(grey)).facts
    assert images.open_image(png(2, 2, 16, 2 * (b"\0" + 6 * b"\x80\x80"))).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM", "I;16B"])
def test_sixteen_bits_are_scaled_alike_whatever_a_picture_reaches(form: str) -> None:
    for brightest in (20 * 257, 65535):
        levels = np.array([[0, 257], [10 * 257, brightest]], dtype=np.uint16)
        if form == "I;16B":
            data = encoded(Image.frombytes(form, (2, 2), levels.astype(">u2").tobytes()), "TIFF")
        else:
            data = encoded(Image.fromarray(levels), form)
        found = np.asarray(images.open_image(data))[:, :, 1]
        assert found.tolist() == [[0, 1], [10, brightest // 257]]


@pytest.mark.parametrize("form", ["npy", "TIFF"])
@pytest.mark.parametrize(
    "array",
    [
        np.array([[0.0, 1.08]], np.float32),
        np.array([[-0.2, 0.5]], np.float32),
        np.array([[0.0, 200.0]], np.float32),
        np.array([[0, 256]], np.int32),
        np.array([[-1, 20]], np.int32),
    ],
    ids=str,
)
def test_values_without_a_known_white_are_refused(form: str, array: np.ndarray) -> None:
    data = npy(array) if form == "npy" else encoded(Image.fromarray(array), "TIFF")
    with pytest.raises(ImageError, match=r"in \[.*\], and what is white is not known") as raised:
        images.open_image(data)
    assert raised.value.code == "HS107"
    seen = images.examine(data)  # whose range may be that of a data set
    assert (seen.problem, seen.low, seen.high) == ("", array.min(), array.max())
    assert images.open_image(data, (-1.0, 256.0)).size == (2, 1)


@pytest.mark.parametrize("form", ["npy", "TIFF"])
def test_values_with_a_known_white_are_scaled_by_it(form: str) -> None:
    for array, expected in (
        (np.array([[-0.0005, 0.5, 1.0009]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 0.1, 0.2]], np.float32), [0, 26, 51]),
        (np.array([[0, 3, 200]], np.int32), [0, 3, 200]),
        (np.array([[0, 1, 2]], np.int32), [0, 1, 2]),
    ):
        data = npy(array) if form == "npy" else encoded(Image.fromarray(array), "TIFF")
        assert np.asarray(images.open_image(data))[0, :, 0].tolist() == expected


def test_cmyk_opens_in_its_colours() -> None:
    data = encoded(Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK"), "JPEG", quality=95)
    assert np.allclose(images.open_image(data).getpixel((8, 8)), (200, 40, 90), atol=6)
    assert "HS204" in images.examine(data).facts


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert images.open_image(data).getpixel((0, 0)) == (255, 0, 0)
    assert "HS203" in images.examine(data).facts


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "bool", ">u2", ">f4"])
def test_arrays_open(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 2 if dtype == "bool" else 256, shape)
    array = {
        "uint8": levels.astype(np.uint8),
        "uint16": (levels * 257).astype(np.uint16),
        ">u2": (levels * 257).astype(">u2"),
        "float32": (levels / 255).astype(np.float32),
        ">f4": (levels / 255).astype(">f4"),
        "float64": levels / 255,
        "bool": levels.astype(bool),
    }[dtype]
    expected = levels * 255 if dtype == "bool" else levels
    expected = np.broadcast_to(expected.reshape(6, 5, -1), (6, 5, 3))
    assert np.array_equal(np.asarray(images.open_image(npy(array))), expected)
    assert np.array_equal(np.asarray(images.open_image(npy(np.asfortranarray(array)))), expected)


def test_a_transparent_array_is_laid_on_white() -> None:
    array = np.zeros((3, 3, 4), dtype=np.uint8)
    assert np.asarray(images.open_image(npy(array))).min() == 255


# refusing


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "HS102"),
        (b"this is no image at all", "HS103"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "HS109"),
        (npy(np.zeros((2, 3, 4, 5), dtype=np.uint8)), "HS103"),
        (npy(np.zeros((4, 7), dtype=np.complex64)), "HS103"),
        (npy(np.zeros((0, 7), dtype=np.uint8)), "HS103"),
        (npy(np.full((4, 7), np.nan)), "HS108"),
        (npy(np.zeros((40, 40), dtype=np.uint8))[:-9], "HS104"),
        (npy(np.zeros((40, 40), dtype=np.uint8))[:20], "HS104"),
        (bomb_png(20_000, 20_000), "HS105"),
        (bomb_png(10_001, 10_000), "HS105"),
    ],
)
def test_what_cannot_be_used_is_named(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as raised:
        images.open_image(data)
    assert raised.value.code == code
    examined = images.examine(data)
    assert examined.problem == code
    assert examined.detail


def test_an_array_that_claims_to_be_huge_is_refused_unread() -> None:
    header = npy(np.zeros((2, 2), dtype=np.uint8))
    lying = header.replace(b"(2, 2)", b"(99999, 99999)").ljust(200)
    with pytest.raises(ImageError):
        images.open_image(lying)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_truncation_is_seen(form: str) -> None:
    data = encoded(photo(300, 200), form)
    assert images.examine(data).problem == ""
    assert images.examine(data[: len(data) // 2]).problem == "HS104"


BEGINNINGS = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"\x93NUMPY\x01\x00"]


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"\x93NUMPY\x01\x00"]),
)
def test_no_bytes_make_examine_raise(tail: bytes, head: bytes) -> None:
    seen = images.examine(head + tail)
    assert seen.problem in USABLE_OR_KNOWN


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_images_never_raise(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"]))
    content = bytearray(encoded(photo(40, 30), form))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    seen = images.examine(bytes(content))
    assert seen.problem in USABLE_OR_KNOWN


def test_examinations_survive_json() -> None:
    examined = images.examine(encoded(Image.new("RGBA", (50, 2))))
    assert {"HS202", "HS205", "HS209"} <= set(examined.facts)
    assert images.Examination.from_json(examined.to_json()) == examined
    assert images.examine(encoded(Image.new("RGB", (1, 1)))).facts == ("HS201",)


# preparing


@pytest.mark.parametrize("shape", [(97, 61), (61, 97), (300, 300), (8, 8), (640, 33), (225, 224), (256, 257)])
@pytest.mark.parametrize(
    ("size", "pct", "interpolation", "mode"),
    [
        ((224, 224), 0.875, "bicubic", "center"),
        ((224, 224), 0.95, "bilinear", "center"),
        ((64, 64), 1.0, "bicubic", "center"),
        ((96, 128), 0.9, "bilinear", "center"),
        ((64, 64), 0.9, "bicubic", "squash"),
        ((64, 48), 1.0, "bilinear", "squash"),
        ((64, 64), 0.94, "bicubic", "border"),
        ((64, 48), 1.0, "bicubic", "border"),
    ],
)
def test_prepare_equals_timm(shape, size, pct, interpolation, mode) -> None:
    from timm.data import create_transform

    contract = ImagePreprocessing(size=size, crop_pct=pct, interpolation=interpolation, crop_mode=mode)
    transform = create_transform(
        (3, *size), crop_pct=pct, interpolation=interpolation, crop_mode=mode,
        mean=contract.mean, std=contract.std, normalize=False,
    )  # fmt: skip
    image = photo(*shape)
    expected = np.asarray(transform(image))
    assert np.array_equal(images.prepare(encoded(image), contract), expected)


@pytest.mark.parametrize(("crop", "resize"), [(224, 232), (224, 256), (299, 342), (380, 384), (93, 93)])
def test_prepare_equals_torchvision(crop: int, resize: int) -> None:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    preset = ImageClassification(
        crop_size=crop, resize_size=resize, interpolation=InterpolationMode.BILINEAR,
        mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0),
    )  # fmt: skip
    image = photo(500, 411)
    expected = np.round(preset(image).numpy() * 255).astype(np.uint8)
    contract = ImagePreprocessing(size=(crop, crop), crop_pct=crop / resize, interpolation="bilinear")
    assert np.array_equal(images.prepare(encoded(image), contract), expected)


def test_tiny_grey_images_come_out_clean() -> None:
    data = npy(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3)
    out = images.prepare(data, ImagePreprocessing(size=(224, 224)))
    assert out.shape == (3, 224, 224)
    assert np.array_equal(out[0], out[1])
    assert np.array_equal(out[0], out[2])
    assert images.pixels(data, 32).shape == (3, 32, 32)


def test_pixels_at_the_own_size_are_the_image() -> None:
    image = photo(24, 24)
    assert np.array_equal(images.pixels(encoded(image), 24), np.asarray(image).transpose(2, 0, 1))


def test_bad_recipes_are_named() -> None:
    data = encoded(photo())
    with pytest.raises(UnknownName, match="did you mean 'crop-flip'"):
        images.prepare(data, ImagePreprocessing(), kind="cropflip")
    with pytest.raises(BadOption, match="interpolation"):
        images.prepare(data, ImagePreprocessing(interpolation="cubic-ish"))
    with pytest.raises(BadOption, match="crop_mode"):
        images.prepare(data, ImagePreprocessing(crop_mode="middle"))


# views


@pytest.mark.parametrize("kind", sorted(images.VIEWS))
def test_views_are_seeded(kind: str) -> None:
    data, contract = encoded(photo()), ImagePreprocessing(size=(48, 40))
    first = images.prepare(data, contract, view=1, kind=kind, key="a")
    assert first.shape == (3, 48, 40)
    assert first.dtype == np.uint8
    assert np.array_equal(first, images.prepare(data, contract, view=1, kind=kind, key="a"))
    others = [
        images.prepare(data, contract, view=v, kind=kind, key=k) for v, k in ((2, "a"), (1, "b"), (0, "a"))
    ]
    same = [np.array_equal(first, other) for other in others]
    assert all(same) if kind == "none" else not any(same)


def test_crops_do_not_mirror_and_crop_flips_do() -> None:
    ramp = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (64, 1))
    data, contract = npy(ramp), ImagePreprocessing(size=(32, 32))

    def mirrored(kind: str) -> list[bool]:
        views = [
            images.prepare(data, contract, view=v, kind=kind, key="x")[0].astype(int) for v in range(1, 33)
        ]
        return [bool(view[:, 0].mean() > view[:, -1].mean()) for view in views]

    assert 6 < sum(mirrored("crop-flip")) < 26
    assert not any(mirrored("crop"))
    assert not any(mirrored("glyph"))


def test_glyph_views_keep_ink_and_background() -> None:
    glyph = np.zeros((28, 28), dtype=np.uint8)
    glyph[6:22, 12:16] = 255
    for view in range(1, 20):
        out = images.prepare(npy(glyph), ImagePreprocessing(size=(56, 56)), view=view, kind="glyph", key="g")[
            0
        ]
        assert out[0].max() == 0, "the background fills what is turned in"
        assert 0.6 < out.astype(float).sum() / (4 * glyph.astype(float).sum()) < 1.6


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(sorted(images.VIEWS)), st.integers(0, 3))
def test_every_size_gives_the_contract_size(width: int, height: int, kind: str, view: int) -> None:
    data = npy(np.zeros((height, width), dtype=np.uint8))
    assert images.prepare(data, ImagePreprocessing(size=(20, 30)), view=view, kind=kind).shape == (3, 20, 30)
    assert images.pixels(data, 9).shape == (3, 9, 9)


def test_pillow_images_become_arrays() -> None:
    image = photo(mode="RGBA")
    assert images.as_array(image).shape == (61, 97, 3)
