"""Sequences of numbers: ours beside simple baselines."""
