"""Pure functions of arrays: metrics, intervals, paired tests, spectral basis, ridge."""
