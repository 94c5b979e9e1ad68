"""What lies on the disk: shards of rows by key, who reads them, what may lie there."""
