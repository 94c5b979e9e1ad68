"""What may be asked besides a fit, a file each: to rank sources, to say what to label next, to pretrain."""
