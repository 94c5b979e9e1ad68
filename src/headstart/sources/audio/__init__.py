"""Encoders of sounds: those of `transformers` cut between their layers, and recurrent ones."""
