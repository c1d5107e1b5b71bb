"""Epochs, batches, engines, checkpoints, logs and reports; torch only in the torch engine and what it is made of."""
