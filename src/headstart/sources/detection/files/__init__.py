"""Folders that hold one, read without loading any weights."""
