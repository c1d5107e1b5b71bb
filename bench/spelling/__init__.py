"""How well misspelled words are corrected, alone and in their sentences."""
