"""Spelling: what a writer meant, by what fingers do (the channel) and what sentences say (a language model)."""
