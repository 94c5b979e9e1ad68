"""What a run is made of: what was asked, the folder on disk, sources and data, the budget."""
