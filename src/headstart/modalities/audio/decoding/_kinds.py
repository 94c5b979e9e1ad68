"""Sound files by their first bytes: those that are read, and those that are known and not read."""

from __future__ import annotations

CONVERT = "convert it, with ffmpeg -i FILE FILE.flac, say"
NOT_READ = {
    ".m4a": f"MPEG-4 audio (AAC or ALAC), which is not read: {CONVERT}",
    ".aac": f"AAC, which is not read: {CONVERT}",
    ".wma": f"Windows Media Audio, which is not read: {CONVERT}",
    ".amr": f"AMR, as phones record it, which is not read: {CONVERT}",
    ".webm": f"WebM, which is not read: {CONVERT}",
    ".ape": f"Monkey's Audio, which is not read: {CONVERT}",
    ".wv": f"WavPack, which is not read: {CONVERT}",
    ".mid": "MIDI, which holds notes and no sound: render it first",
}
"""Endings of sound files that are not read -> what they are, and what to do."""
_UNREAD = {
    b"0&\xb2u": ".wma", b"#!AMR": ".amr", b"\x1aE\xdf\xa3": ".webm", b"MAC ": ".ape", b"wvpk": ".wv",
    b"MThd": ".mid",
}  # fmt: skip
_STARTS = (b"riff\x2e\x91\xcf\x11", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")
_CONTAINERS = ((b"RIFF", b"WAVE"), (b"RF64", b"WAVE"), (b"FORM", b"AIF"))
"""How such files begin, and what follows after four bytes."""
BRANDS = (b"M4A ", b"M4B ")
"""Of MPEG-4 files that hold sound alone."""


def begins(start: bytes) -> bool:
    """Whether bytes begin as a sound file does, read or not."""
    return is_read(start) or bool(unread(start))


def is_read(start: bytes) -> bool:
    """Whether they begin as a kind that is read."""
    held = any(start.startswith(one) and start[8:].startswith(two) for one, two in _CONTAINERS)
    return held or start.startswith(_STARTS) or _mpeg_layer(start) > 0


def unread(start: bytes) -> str:
    """What the bytes are and what to do, of a kind that is known and not read; "" for others."""
    if start[4:8] == b"ftyp" and start[8:12] in BRANDS:
        return NOT_READ[".m4a"]
    if _mpeg_layer(start) == 0 and len(start) > 2 and start[1] & 0xF6 == 0xF0:
        return NOT_READ[".aac"]
    return next((NOT_READ[name] for mark, name in _UNREAD.items() if start.startswith(mark)), "")


def _mpeg_layer(start: bytes) -> int:
    """1 to 3 for a frame of MPEG audio, 0 for one of AAC, -1 for neither."""
    if len(start) < 4 or start[0] != 0xFF or start[1] & 0xE0 != 0xE0:
        return -1
    version, layer = start[1] >> 3 & 3, start[1] >> 1 & 3
    if version == 1 or (layer and (start[2] >> 4 == 15 or start[2] >> 2 & 3 == 3)):
        return -1
    return 4 - layer if layer else 0
