"""Encoders of sounds: those of `transformers` cut between their layers, recurrent and convolutional ones."""
