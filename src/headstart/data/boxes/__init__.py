"""Boxes as targets: the files that list them, and what can be wrong with them."""
