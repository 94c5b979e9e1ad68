"""How near a text is to the one that was wanted: what is counted of each pair, and metrics of such counts.

Counts are added over items before a metric is computed, so that a resample is a matrix product; what is a
mean over items is one number each.
"""
