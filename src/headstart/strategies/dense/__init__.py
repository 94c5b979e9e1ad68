"""Strategies for tasks with an answer for every place of an item: the same arms, under the same names."""
