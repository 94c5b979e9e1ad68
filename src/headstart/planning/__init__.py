"""What to run next, from what is known. Pure: no clock, no disk, no model."""
