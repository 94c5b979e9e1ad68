"""Networks that read sounds, as lists of layers."""
