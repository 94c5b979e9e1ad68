"""Pictures of more than 8 bits: what is white, from the whole data set or as it is said."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart import data
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.events import ignore
from headstart.data.checks import doctor
from headstart.errors import BadOption, ImageError
from headstart.modalities import image as images
from headstart.modalities.image.decoding import _deep
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig


def drawing(seed: int, size: tuple[int, int] = (12, 9)) -> np.ndarray:
    """Grey values of 40 to 103, as in an X-ray."""
    return np.random.default_rng(seed).integers(40, 104, size)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def encoded(array: np.ndarray, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def png16(array: np.ndarray) -> bytes:
    """uint16 `[H, W, 2, 3 or 4]` as a PNG, which Pillow does not write."""
    height, width, channels = array.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff16(array: np.ndarray) -> bytes:
    """uint16 `[H, W, 3]` as a TIFF, little-endian, one strip."""
    height, width, _ = array.shape
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 14), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, array.nbytes),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (
        b"II*\0" + struct.pack("<I", 14 + array.nbytes) + struct.pack("<HHH", 16, 16, 16)
        + array.astype("<u2").tobytes() + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    )  # fmt: skip


def of(contents: list[bytes], folder: Path, ending: str = "png", **options) -> Dataset:
    for number, content in enumerate(contents):
        path = folder / "ab"[number % 2] / f"{number}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return data.load(folder, **options)


def grey(content: bytes, levels=None) -> np.ndarray:
    return np.asarray(images.open_image(content, levels))[:, :, 0]


@pytest.mark.parametrize(
    ("factor", "white", "left"),
    [(1, 255, "1 grey level of 256 is"), (4, 1023, "2 grey levels"), (16, 4095, "5 grey levels")],
)
def test_the_white_of_a_data_set_is_found_and_told(
    tmp_path: Path, factor: int, white: int, left: str
) -> None:
    pictures = [drawing(seed) for seed in range(4)]
    dataset = of([encoded((p * factor).astype(np.uint16), "PNG") for p in pictures], tmp_path)
    report = doctor.check(dataset)
    assert report.levels == (0, white)
    (found,) = [f for f in report.findings if f.code == "HS210"]
    assert found.severity == "warning"
    assert f"the highest value of all 4 pictures of 16 bits is {103 * factor:,} of 65,535" in found.message
    assert left in found.message
    assert f"white is taken to be {white:,}" in found.message
    assert "--white 65535" in found.remedy
    assert not {"HS201", "HS209"} & {f.code for f in report.findings}  # nobody calls them a placeholder
    read = grey(dataset.items[0].read(), report.levels)
    assert np.abs(read.astype(int) - pictures[0]).max() <= 1  # as the same picture in 8 bits


def test_true_sixteen_bits_are_told_nothing(tmp_path: Path) -> None:
    report = doctor.check(
        of([encoded((drawing(s) * 257).astype(np.uint16), "PNG") for s in range(4)], tmp_path)
    )
    assert report.levels is None
    assert {f.code for f in report.findings} <= {"HS206", "HS305"}


def test_a_white_that_is_said_is_used_and_judged(tmp_path: Path) -> None:
    contents = [encoded((drawing(s) * 16).astype(np.uint16), "PNG") for s in range(4)]
    report = doctor.check(of(contents, tmp_path, white=4095))
    assert report.levels == (0, 4095)
    assert not {"HS210", "HS211"} & {f.code for f in report.findings}
    for white, text in (
        (
            65535,
            "highest value of all 4 pictures is 1,648, and white is at 65,535: 5 grey levels of 256 are left",
        ),
        (
            "1000",
            "4 of 4 pictures have values beyond black and white (0 and 1,000), in [640, 1,648]: they are cut off",
        ),
    ):
        (found,) = [f for f in doctor.check(data.load(tmp_path, white=white)).findings if f.code == "HS211"]
        assert text in found.message
    plain = of([encoded(drawing(s).astype(np.uint8), "PNG") for s in range(2)], tmp_path / "plain", white=255)
    assert any("changes nothing" in f.message for f in doctor.check(plain).findings if f.code == "HS211")


def test_one_bright_picture_among_dark_ones_is_told(tmp_path: Path) -> None:
    contents = [encoded((drawing(s) * 4).astype(np.uint16), "PNG") for s in range(5)]
    report = doctor.check(of([*contents, encoded(np.full((9, 9), 65535, np.uint16), "PNG")], tmp_path))
    assert report.levels is None
    (found,) = [f for f in report.findings if f.code == "HS211"]
    assert (
        "half of the 6 pictures have no value over 412, and white is at 65,535: 2 grey levels"
        in found.message
    )


@pytest.mark.parametrize("white", ["bright", "0", "5:2", (1, 2, 3), float("nan"), "1:inf", [], {}])
def test_a_white_that_is_none_is_refused(white, tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="such as 4095, or black and white, such as -1024:3071"):
        data.load(tmp_path, white=white)


def test_floats_and_whole_numbers_outside_the_known_are_told_with_their_range(tmp_path: Path) -> None:
    floats = [encoded(((drawing(s) - 128) * 8).astype(np.float32), "TIFF") for s in range(4)]
    dataset = of(floats, tmp_path, "tif")
    lines = doctor.check(dataset).lines("error")
    assert lines[0] == (
        "HS107 4 times: values whose white is not known: all such pictures together have float32 in [-704, -200], and "
        "what is white is not known (known are floats in [0, 1] and whole numbers in [0, 255]); say it: --white 4095, "
        "or --white -1024:3071"
    )
    told = data.load(tmp_path, white="-704:-200")
    assert not doctor.check(told).errors
    assert grey(floats[0], told.levels).min() == 0
    bad = of([encoded(np.full((4, 4), np.nan, np.float32), "TIFF")], tmp_path / "nan", "tif", white=1)
    assert [f.code for f in doctor.check(bad).errors if f.row is not None] == ["HS108"]


def test_whole_numbers_of_32_bits_that_fit_into_16_are_read_so(tmp_path: Path) -> None:
    words = [(drawing(seed) * 257) for seed in range(4)]
    report = doctor.check(of([encoded(word.astype(np.int32), "TIFF") for word in words], tmp_path, "tif"))
    assert report.levels == (0, 65535)
    assert any(
        "whole numbers (int32) is 26,471: white is taken to be 65,535" in f.message for f in report.warnings
    )
    assert np.array_equal(
        grey(encoded(words[0].astype(np.int32), "TIFF"), report.levels),
        grey(encoded(words[0].astype(np.uint16), "PNG")),
    )


def test_a_file_an_array_and_a_pillow_image_of_the_same_picture_are_read_alike() -> None:
    words, levels = (drawing(3) * 16).astype(np.uint16), (0.0, 4095.0)
    expected = grey(encoded(words, "PNG"), levels)
    assert expected.max() > 90
    big = Image.frombytes("I;16B", words.shape[::-1], words.astype(">u2").tobytes())
    for content in (
        npy(words),
        npy(words.astype(np.int64)),
        npy(np.asfortranarray(words)),
        encoded(words, "TIFF"),
        encoded(words, "TIFF", compression="tiff_lzw"),
        images.as_bytes(Image.fromarray(words)),
        images.as_bytes(Image.fromarray(words.astype(np.int32))),
        images.as_bytes(Image.fromarray(words.astype(np.float32))),
        images.as_bytes(big),
        png16(np.repeat(words[:, :, None], 3, axis=2)),
        png16(np.dstack([words, np.full_like(words, 65535)])),
        png16(np.dstack([words, words, words, np.full_like(words, 65535)])),
        tiff16(np.repeat(words[:, :, None], 3, axis=2)),
    ):
        assert np.array_equal(grey(content, levels), expected)
        assert images.examine(content).high == words.max()


def test_colours_of_sixteen_bits_without_levels_are_what_pillow_makes_of_them() -> None:
    colours = np.random.default_rng(0).integers(0, 65536, (5, 7, 3)).astype(np.uint16)
    assert np.array_equal(np.asarray(images.open_image(png16(colours))), colours >> 8)
    assert np.array_equal(np.asarray(images.open_image(tiff16(colours))), colours >> 8)
    assert "HS206" in images.examine(png16(colours)).facts


def test_the_table_of_sixteen_bits_is_the_rule_that_bundles_were_made_with() -> None:
    every = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    before = np.round(every / 257.0).astype(np.uint8)
    assert np.array_equal(grey(encoded(every, "PNG")), before)
    assert np.array_equal(grey(encoded(every, "PNG"), (0.0, 65535.0)), before)
    old = ImagePreprocessing()
    assert "levels" not in old.to_json()  # what was made before keeps its fingerprint
    assert ImagePreprocessing.from_json(old.to_json()) == old
    new = ImagePreprocessing(levels=(-1024.0, 3071.0))
    assert ImagePreprocessing.from_json(new.to_json()) == new


def test_a_picture_that_does_not_fit_the_white_of_a_model_is_told() -> None:
    for array, levels, said in (
        (drawing(0) * 16, (0.0, 1023.0), "beyond [0, 1,023] from black to white: what is beyond is cut off"),
        (drawing(0), (0.0, 4095.0), "nearly black: its highest value is 103, and white is at 4,095"),
        (drawing(0) * 4, None, "nearly black: its highest value is 412, and white is at 65,535"),
        (drawing(0) * 16, (0.0, 4095.0), ""),
        (drawing(0) * 257, None, ""),
    ):
        opened = images.open_image(encoded(array.astype(np.uint16), "PNG"), levels)
        assert said in opened.info.get("remark", "")
        assert bool(said) == bool(opened.info.get("remark"))


def test_strips_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_deep, "_STRIP", 40)
    array = np.random.default_rng(0).random((31, 13, 4)).astype(np.float32)
    colours, opaque = np.round(array[..., :3] * 255), np.round(array[..., 3:] * 255) / 255
    found = np.asarray(images.open_image(npy(array))).astype(float)
    assert np.abs(found - (colours * opaque + 255 * (1 - opaque))).max() <= 1


def test_arrays_of_sixteen_bits_are_read_with_the_levels_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = np.stack([drawing(seed) * 16 for seed in range(6)]).astype(np.uint16)
    dataset, _, report = resolve.read(RunConfig((block), reading={"labels": list("ababab")}), {}, ignore)  # type: ignore[arg-type]
    assert report.levels == dataset.levels == (0, 4095)
    other = data.load(block, labels=list("ababab"), white=65535)
    assert other.fingerprint != dataset.fingerprint
    assert dataset.with_levels(None).fingerprint == data.load(block, labels=list("ababab")).fingerprint
    assert dataset.subset([1, 0]).levels == dataset.levels
    assert isinstance(dataset.items[0], ArrayItem)


def test_arrays_of_any_range_are_read_where_white_is_said() -> None:
    block = np.stack([drawing(seed) for seed in range(4)])
    for array, white in (
        (block * 40.0, 4095),
        (block * 16, "0:4095"),
        (list(block * 16), 4095),
        (block * 8 - 1024, (-1024, 0)),
    ):
        dataset = data.load(array, labels=list("abab"), white=white)
        assert not doctor.check(dataset).errors
        assert 60 < grey(dataset.items[0].read(), dataset.levels).max() < 260


def test_levels_that_are_no_picture_are_refused_at_the_model() -> None:
    with pytest.raises(ImageError, match="float32 in \\[-3, 2\\], and what is white is not known") as raised:
        images.open_image(npy(np.array([[-3, 2]], np.float32)))
    assert raised.value.code == "HS107"
