"""What a model says of both domains, and what follows from it."""
