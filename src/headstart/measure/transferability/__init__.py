"""How useful a source's features are for given labels: a score a file, pure functions of arrays.

Throughout: N rows, D columns of features, C classes numbered from 0, K targets. Higher is better, scores are
comparable between sources on the same rows and labels, never between data sets.
"""
