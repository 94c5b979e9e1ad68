"""Forms: from the bytes of tables, archives and trees of files to rows and members."""

from __future__ import annotations

import os
from pathlib import Path

from headstart.data import reading
from headstart.data.forms import fasttext


def is_table(path: Path) -> bool:
    """Whether a path has the ending of a table, or is a text file with the lines of fastText."""
    if os.path.isdir(path):  # noqa: PTH112 (Path raises for odd names)
        return False
    return reading.is_table(path.name) or (
        reading.table_ending(path.name) == ".txt" and fasttext.accepts_file(path)
    )
