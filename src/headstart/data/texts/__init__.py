"""Texts as labels: what is to be said of an item."""
