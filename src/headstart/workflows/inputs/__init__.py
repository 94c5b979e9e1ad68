"""What a workflow begins with: the data and the source of a finished run, and two domains side by side."""
