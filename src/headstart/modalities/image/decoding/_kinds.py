"""What a file is by its first bytes, whatever its name: kinds of pictures that are not read, and other things
that people have under the name of a picture. Each with what to do about it."""

from __future__ import annotations

import struct
from typing import Any

_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
_AVIF = {b"avif", b"avis"}
HEIC = "a HEIC photograph: install headstart[heif], or save it as JPEG"
AVIF = "an AVIF picture, which the Pillow that is installed cannot read: save it as JPEG"
READ = {HEIC: "a HEIC photograph", AVIF: "an AVIF picture"}
"""Kinds that are read where a package is there -> what they are called."""
_AS_JPEG = "save it as JPEG or PNG"
_RAW = "a camera raw photograph{}: develop it as JPEG or TIFF"
_VIDEO = "a video: take out its pictures, and save them as JPEG or PNG"

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"II*\0\x10\0\0\0CR", _RAW.format(" (CR2)")),
    (b"IIRO", _RAW.format(" (ORF)")), (b"IIRS", _RAW.format(" (ORF)")), (b"MMOR", _RAW.format(" (ORF)")),
    (b"IIU\0", _RAW.format(" (RW2)")), (b"FUJIFILMCCD-RAW", _RAW.format(" (RAF)")),
    (b"FOVb", _RAW.format(" (X3F)")), (b"\0MRM", _RAW.format(" (MRW)")),
    (b"8BPS", f"a Photoshop document (PSD): {_AS_JPEG}"), (b"gimp xcf", f"a GIMP document (XCF): {_AS_JPEG}"),
    (b"%PDF-", "a PDF document: save its pages as JPEG or PNG"),
    (b"%!PS", f"a PostScript document: {_AS_JPEG}"),
    (b"\xc5\xd0\xd3\xc6", f"a PostScript document: {_AS_JPEG}"),
    (b"\x1aE\xdf\xa3", _VIDEO), (b"\0\0\x01\xba", _VIDEO), (b"\0\0\x01\xb3", _VIDEO), (b"FLV\x01", _VIDEO),
    (b"\xff\x0a", f"a JPEG XL picture: {_AS_JPEG}"), (b"\0\0\0\x0cJXL ", f"a JPEG XL picture: {_AS_JPEG}"),
    (b"II\xbc\x01", f"a JPEG XR picture: {_AS_JPEG}"),
    (b"v/1\x01", "an OpenEXR picture: save it as TIFF, and say with --white what is white"),
    (b"#?RADIANCE", "a Radiance HDR picture: save it as TIFF, and say with --white what is white"),
    (b"SIMPLE  =", "a FITS picture: save it as TIFF, and say with --white what is white"),
    (b"\x89HDF", "an HDF5 file: save its pictures as TIFF or .npy"),
    (b"DDS ", f"a DDS texture: {_AS_JPEG}"), (b"AT&TFORM", f"a DjVu document: {_AS_JPEG}"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
)  # fmt: skip

ENDINGS = {
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw",
                     ".x3f"), "a camera raw photograph"),
    ".psd": "a Photoshop document", ".psb": "a Photoshop document", ".xcf": "a GIMP document",
    ".svg": "a drawing (SVG)", ".pdf": "a PDF document", ".eps": "a PostScript document",
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v"), "a video"),
    ".jxl": "a JPEG XL picture", ".exr": "an OpenEXR picture", ".hdr": "a Radiance HDR picture",
    ".dcm": "a DICOM picture", ".fits": "a FITS picture",
}  # fmt: skip
"""Endings of pictures that are not read -> what such a file is."""


def kind_of(data: bytes) -> str:
    """What the bytes are and what to do, where it is a kind that is known and not read; "" for others.

    HEIC comes out as `HEIC` and AVIF as `AVIF`, whether or not they can be read here.
    """
    if data[4:8] == b"ftyp":
        return _media(data)
    for start, said in _STARTS:
        if data.startswith(start):
            return said
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _VIDEO
    if data[128:132] == b"DICM":
        return "a DICOM picture: save its values as TIFF or .npy, and say with --white what is white"
    return _written(data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower())


def _media(data: bytes) -> str:
    """Of the container that HEIC, AVIF and videos share: told by its brands."""
    size = min(max(16, struct.unpack(">I", data[:4])[0]), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, len(data)), 4))}
    if brands & _AVIF:
        return AVIF
    if brands & _HEIF:
        return HEIC
    if data[8:12] in (b"M4A ", b"M4B "):  # sound alone
        return ""
    return _RAW.format(" (CR3)") if b"crx " in brands else _VIDEO


def _written(start: bytes) -> str:
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return f"a drawing (SVG): {_AS_JPEG}"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page under the name of a picture: fetch the picture itself"
    return ""


def raw_inside(image: Any) -> str:
    """The same of a TIFF file that Pillow has opened: a camera raw photograph has a small copy as its first
    image."""
    tags = getattr(image, "tag_v2", None)
    if tags is None or image.format != "TIFF":
        return ""
    dng, reduced, sub, photometric = 50706 in tags, tags.get(254) == 1, 330 in tags, tags.get(262)
    if dng or photometric in (32803, 34892) or (reduced and sub):
        return _RAW.format(" (DNG)" if dng else "")
    return ""
