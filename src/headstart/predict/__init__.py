"""From a model to predictions of new items, and how good they are."""
