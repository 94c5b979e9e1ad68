"""Files of weights: where they lie, how they are fetched and read, which network is in them."""
