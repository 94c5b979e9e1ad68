"""Strategies for tasks whose answers are boxes: the same arms, under the same names."""
