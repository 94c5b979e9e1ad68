"""Networks that read texts: built from their configuration, cut between their layers, pooled."""
