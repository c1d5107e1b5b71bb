"""Label every step of a sequence."""
