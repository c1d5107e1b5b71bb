"""Texts on their way to the network: normalisation, tokens, vocabularies, bags of n-grams, padding."""
