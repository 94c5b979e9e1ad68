"""Parts of a text that are said: sentences of a summary, words of a passage."""
