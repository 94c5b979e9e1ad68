"""Networks that are one list of layers: cut between them, whatever they read."""
