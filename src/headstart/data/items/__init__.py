"""What one item may be given as: a path, a file, a picture in memory or in the cell of a table."""
