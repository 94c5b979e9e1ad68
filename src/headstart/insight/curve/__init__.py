"""The learning curve: portions of the labels, what is reached with each, and what more would bring."""
