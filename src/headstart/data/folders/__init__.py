"""Trees of files, in a folder or in an archive: what lies in them, and what their names say."""
