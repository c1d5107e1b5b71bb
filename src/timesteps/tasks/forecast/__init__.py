"""Forecast series: what the user chose, training and calibration, the baselines beside the model, and backtests of both."""
