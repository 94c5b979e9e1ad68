"""Masks as targets: what their values mean, reading them one at a time, and the folders they lie in."""
