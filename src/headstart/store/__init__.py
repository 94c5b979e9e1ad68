"""Features on disk: content-keyed, atomic, resumable, memory-mapped."""
