"""Contracts: what every room may rely on. Standard library and numpy only."""
