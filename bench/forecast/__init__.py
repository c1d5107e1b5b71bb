"""Forecasting: quality on real series beside the baselines, speed of training beside torch.nn, and many series."""
