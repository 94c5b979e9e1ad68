"""From bytes, and from things in memory, to samples."""
