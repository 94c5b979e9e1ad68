"""What every strategy shares: folds, budget and resuming; and the model that is shipped."""
