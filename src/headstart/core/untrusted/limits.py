"""What a file may ask of this machine before it is refused: one table, read by every command.

A small file may unpack, nest or spread to more than any memory holds. Whoever opens a file that somebody else
wrote asks here first, and refuses in one sentence that names the limit.
"""

from __future__ import annotations

ITEM_BYTES = 512 * 2**20
"""One item, or one table that is packed; a table that lies on disk as it is may be larger."""
TEXT_BYTES = 10_000_000
"""A text: a longer one is none that a network could read."""
ARCHIVE_BYTES = 20_000_000_000
"""What all members of an archive unpack to."""
ARCHIVE_RATIO = 200
"""How often a member over `RATIO_FROM` bytes may hold its packed size."""
RATIO_FROM = 10_000_000
TEMPORARY_BYTES = 4 * 2**30
"""A compressed .tar, which is unpacked into a temporary file that nobody sees."""
BUNDLE_RATIO = 20
"""The same for a packed model: weights shrink little, and are read whole before their digest is known."""
ARCHIVE_DEPTH = 64
"""Folders above a member of an archive."""
NAME_BYTES = 4_096
"""The path of a member of an archive, in UTF-8."""
COLUMNS = 10_000
"""Of a table."""
CELLS = 250_000_000
"""Of a table: rows times columns."""
JSON_DEPTH = 128
"""Lists and records inside each other."""
JSON_BYTES = 64 * 2**20
"""A JSON document that is no table: a side-car, a record, a configuration."""
CLASSES = 1_000_000
"""Of a source's classifier."""
DEPTH = 512
"""Layers, blocks or multiples that a file may ask of an architecture, all of an argument together."""
WIDTH = 65_536
"""Any other number among the arguments of an architecture that a file brings."""
ARGUMENTS = 64
"""Values in a list among them."""
WORDS = 3_000_000
"""Of a list of word vectors."""
LABELS_BYTES = 16 * 2**20
"""A text file with the names of a source's classes."""
VECTOR_BYTES = 4 * 10**9
"""The numbers of the words that are read of such a list."""
TOKENIZER_BYTES = 256 * 2**20
"""A tokenizer.json."""
PIXELS = 100_000_000
"""Of one picture."""
DECODING_BYTES = 2**30
"""Of all pictures that are decoded at a time, whatever the number of threads; one alone may be larger."""
SAMPLES = 2**29
"""Values of one recording, all channels together: three hours of 48 kHz in one."""
SECONDS, HELD = 600.0, 2**25
"""Of a recording that are held, and samples of one channel: the rest is cut off."""
LEAST_RATE, MOST_RATE = 100, 768_000
"""Samples a second of a recording."""
CHANNELS = 64
"""Of a recording."""


def in_words(number: float) -> str:
    """Bytes in words: 2.5 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return ""
