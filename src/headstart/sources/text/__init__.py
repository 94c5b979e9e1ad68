"""Text encoders: any network of `transformers` cut between its layers, and lists of word vectors."""
