"""Which source: what one pass tells of each, and their order with what is not known of it."""
