"""Forecasts without PyTorch: windows of series, what stands around the network, and the trained forecaster."""
