"""Readers: one file, one form of data; `headstart.data.READERS` names them."""
