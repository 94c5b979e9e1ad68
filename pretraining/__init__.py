"""The recipe that makes the bundled sources: images from formulas, a seed, and nothing else."""
