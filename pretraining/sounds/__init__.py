"""`bundled/tones`: a network of sounds that has only heard what formulas make."""
