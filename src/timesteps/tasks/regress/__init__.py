"""Predict numbers from a sequence."""
