"""Folders of text models: their configuration, tokenizer and lists of vectors."""
