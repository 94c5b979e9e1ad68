"""What the strategies that train by gradient share: their designs, adapters, heads and folds of training."""
