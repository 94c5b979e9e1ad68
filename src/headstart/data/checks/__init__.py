"""Checks: what may be wrong with data, said before anything is computed."""
