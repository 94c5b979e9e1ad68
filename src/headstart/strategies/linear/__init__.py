"""What the strategies that solve for a linear model share: the layers read, the solver, words as columns."""
