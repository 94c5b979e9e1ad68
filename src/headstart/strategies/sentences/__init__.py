"""Ways to answer with texts."""
