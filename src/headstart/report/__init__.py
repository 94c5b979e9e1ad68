"""Evidence -> terminal text, HTML, JSON."""
