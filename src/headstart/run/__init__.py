"""The composer: plan, extract, fit, evaluate, compare."""
