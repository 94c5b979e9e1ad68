"""The steps of a pass: what it must compute, items decoded and batched, through the network, to the disk."""
