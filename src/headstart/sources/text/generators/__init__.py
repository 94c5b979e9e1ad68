"""Text sources that write: their networks."""
