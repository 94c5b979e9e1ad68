"""The one training loop, its schedule, parameter groups and checkpoints."""
