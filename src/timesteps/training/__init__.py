"""Epochs, batches, optimizers, checkpoints, logs and reports (torch)."""
