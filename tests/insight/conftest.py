"""Runs that are finished already."""

from finished import make_run

__all__ = ["make_run"]
