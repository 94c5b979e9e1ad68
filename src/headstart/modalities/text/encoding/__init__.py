"""From words to tokens: what is a word, the patterns of tokenizers, and the encoders themselves."""
