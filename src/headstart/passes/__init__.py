"""The one pass over the data: what is missing is computed, written to the store and read back."""
