"""Detectors of `transformers`: read from folders, whole, and as the trunks that they stand on."""
