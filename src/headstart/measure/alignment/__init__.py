"""Maps between two clouds of feature vectors, as pure functions of arrays: one paper a file.

`xs` float64 `[n, D]` are the rows of the source, `xt` `[m, D]` those of the target, `weights` float64 `[n]`
above 0 how often each source row counts (None: all once).
"""
