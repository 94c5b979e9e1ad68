"""From the bytes of a file to pixels: the kinds of files, deep pictures and what is white in them."""
