"""Recurrent language models, from a text to a run folder."""
