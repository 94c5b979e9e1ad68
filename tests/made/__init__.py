"""Small models and arms made from a seed: what only the tests of this repository need."""
