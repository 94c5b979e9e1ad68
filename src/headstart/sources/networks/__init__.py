"""Networks of images from an architecture in JSON: what may be built, how, and from which record."""
