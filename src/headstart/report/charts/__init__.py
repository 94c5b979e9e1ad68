"""The geometry of the report's figures: numbers in, coordinates out. Templates draw them."""
