"""n-gram language models, from a corpus to a run folder."""
