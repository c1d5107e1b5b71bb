"""Classify sequences: texts, lists of token ids, or numbers."""
