"""From what is written to places on upright images: which image is meant, its boxes, its mask."""
